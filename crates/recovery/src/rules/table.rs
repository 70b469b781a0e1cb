//! The table of rules, by number.

use super::{Rule, Severity};

/// Defines each rule as a constant and lists all of them.
macro_rules! rules {
    ($($name:ident $number:literal $severity:ident $title:literal, $why:literal, $now:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Rule = Rule {
                number: $number,
                severity: Severity::$severity,
                title: $title,
                why: $why,
                now: $now,
            };
        )*

        /// All rules, by number.
        pub const ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    MASTER_KEY_MISSING 101 Error "master key missing",
        "Without the master key the sensitive values in the Octopus database cannot be read, however well it is restored.",
        "Export the master key on the source server and add it to what is packed.";
    MASTER_KEY_FORM 102 Error "master key is not 16 or 32 bytes in base64",
        "Octopus refuses a master key of another form, so what was given is something else or was cut.",
        "Export the key again and copy the whole line.";
    MASTER_KEY_NOT_PROVED 103 Warning "master key not proved",
        "Nothing was decrypted with the key, so it may belong to another server.",
        "Pack where the key can be tried against the server, or try it in a drill.";
    MASTER_KEY_MISMATCH 104 Error "master key older than the last rotation",
        "The key does not open values that the database holds, since it was changed after the export.",
        "Export the present key and pack again.";
    MASTER_KEY_TOO_LONG 105 Error "32-byte key for a target before 2024.4",
        "Versions before 2024.4 know keys of 16 bytes only.",
        "Restore to the version that was backed up, or a newer one.";
    SECRET_IN_TREE 106 Warning "live configuration or clear key file packed",
        "The packed files hold a secret in clear, which goes wherever the archive is unpacked.",
        "Exclude the file, and keep the secret in the envelope.";
    FILES_OLDER 110 Warning "files older than the database",
        "The database refers to files that were made after the files were packed.",
        "Back up the database first and the files after it.";
    STOPAT_AFTER_FILES 111 Warning "stop time after the files",
        "What was made between the packing of the files and the stop time is in the database but not among the files.",
        "Choose a stop time before the files were packed, or pack them again.";
    FILES_CHANGED 112 Warning "files changed while read",
        "A file that changes while it is read may be packed half old and half new.",
        "Pack again in a maintenance window.";
    FOLDER_MISSING 113 Error "expected folder missing or empty",
        "A folder that every installation fills is not there, so probably a wrong path was packed.",
        "Check the folders in the server's settings and pack again.";
    NODE_LOCAL 114 Warning "folders of one node only",
        "The folders are local to one node, and files that other nodes hold are missing.",
        "Pack the shared folders, or each node.";
    SEVERAL_SETS 120 Info "several sets in one file",
        "A restore that names no set takes the first one of the file, which is the oldest.",
        "Nothing, with the statements that the plan gives: they name the set by FILE = n.";
    LOG_GAP 121 Error "log chain gap",
        "A log backup is missing, and SQL Server applies no log after a gap.",
        "Find the missing log backup, or take a full or differential backup now.";
    DIFFERENTIAL_BASE 122 Error "differential base missing",
        "A differential holds only what changed since one certain full backup, and that one is not there.",
        "Add the full backup that the differential names, or take a new full backup.";
    NO_CHECKSUMS 123 Warning "no backup checksums",
        "Without WITH CHECKSUM nobody can tell whether all bytes of the backup are as SQL Server wrote them.",
        "Back up WITH CHECKSUM from now on.";
    DAMAGED_SET 124 Error "damaged backup set",
        "The set is not as it was written, and a restore from it fails or brings back damaged pages.",
        "Take the file from another copy, or take a new backup.";
    STRIPE_MISSING 125 Error "stripe missing",
        "A backup to several files is dealt out over all of them, and none of it restores without each.",
        "Add the missing files of the media set.";
    COPY_ONLY_BASE 126 Error "copy-only backup cannot be a differential base",
        "Differentials build on the last full backup that was not copy-only.",
        "Add that full backup: the copy-only one restores only by itself or with logs.";
    BULK_LOGGED 127 Error "no stop time inside a bulk-logged log",
        "A log backup with bulk-logged changes can be applied as a whole only.",
        "Choose a moment before its first change or after its end.";
    SIMPLE_STOPAT 128 Warning "no stop time in SIMPLE recovery",
        "In SIMPLE recovery there are no log backups, so only the states of the backups themselves can be restored.",
        "Accept the state of the backup, and use FULL recovery where a moment matters.";
    RPO_MISSED 129 Warning "newest reachable moment older than the RPO",
        "What was done since that moment is lost if the server is lost now.",
        "Take a log backup now, and see why the last ones are not here.";
    CERTIFICATE_MISSING 130 Error "certificate missing",
        "An encrypted database or backup restores only where its certificate with the private key is installed.",
        "Back up the certificate on the source with BACKUP CERTIFICATE and pack again.";
    PRIVATE_KEY_MISSING 131 Error "private key or its password missing",
        "The certificate alone decrypts nothing.",
        "Back up the certificate WITH PRIVATE KEY and keep the password in the envelope.";
    THUMBPRINT_MISMATCH 132 Error "certificate is not the one needed",
        "The thumbprint differs from the one that the database names, often because the certificate was renewed.",
        "Find the older certificate on the source and pack it too.";
    MEDIA_PASSWORD 133 Warning "media password",
        "SQL Server 2012 and later restore no media with a password without it, and no longer set one.",
        "Keep the password with the backup, and take a new backup without one.";
    CUT_OFF 134 Error "backup set cut off",
        "The set ends before its last descriptor: the backup failed, still runs, or the file is not all there.",
        "Copy the file again when the backup has finished, or take a new backup.";
    UNREADABLE 135 Error "file cannot be read as a backup",
        "A file that should hold backups could not be read, so nothing in it counts.",
        "Take the file from another copy, or leave it out if it is something else.";
    ENCRYPTED 136 Warning "encrypted backup",
        "The headers of an encrypted backup cannot be read here, so its place in the chain is not known.",
        "Add what RESTORE HEADERONLY shows for it on the source, and pack its certificate.";
    PAGE_COUNT 137 Error "not as many pages as announced",
        "The set holds fewer or more pages than its own header says, so a part is missing.",
        "Take the file from another copy, or take a new backup.";
    NO_SETS 138 Warning "no backup set in the file",
        "The medium was formatted, but no backup in it was found.",
        "Leave the file out, or copy it again when the backup has finished.";
    TARGET_TOO_OLD 140 Error "target too old",
        "SQL Server restores a database only to the version that it was backed up on, or a newer one.",
        "Restore to the version that is named, or a newer one.";
    EXPRESS_CAP 141 Error "too large for Express",
        "Express Edition does not open databases beyond its size limit.",
        "Restore to another edition.";
    COLLATION 142 Warning "collation is case-sensitive",
        "Octopus needs a database whose collation ignores case.",
        "Check the collation of the source database.";
    LOGIN_SID 143 Warning "login unknown on the target",
        "Users of the database whose logins do not exist on the target cannot connect.",
        "Create the logins with the same SID, as the script does.";
    VECTORS_MISSING 150 Warning "vector part missing",
        "The search index is not in the archive and has to be built again after the restore.",
        "Pack a snapshot of the vector store, or plan the time to build it.";
    QDRANT_VERSION 151 Error "Qdrant of another minor version",
        "A Qdrant snapshot restores only to the same minor version.",
        "Install the version that is named.";
    OTHER_DAMAGED 152 Error "backup of another kind damaged or cut off",
        "A dump, package or snapshot is not as it was made: cut off, changed, or the program that made it did not finish.",
        "Take the file from another copy, or make it again and look at the exit code.";
    BACPAC_HASH 153 Error "bacpac's model does not match its hash",
        "The file was changed or damaged after the export.",
        "Take the file from another copy, or export again.";
    APP_VERSION 160 Warning "application version unknown or different",
        "A database restored under another version of the application may be refused or upgraded.",
        "Install the version that is named before the first start.";
    PLATFORM_MAPPING 161 Warning "Windows and Linux paths",
        "Paths in the settings do not exist on the other system.",
        "Set the folders again after the restore.";
    PORTAL_TLS 162 Info "certificate of the web portal not included",
        "It lies in the system's certificate store, outside of what was packed.",
        "Export it, or plan to request a new one.";
    NO_FULL 163 Error "no full backup",
        "Every restore starts from a full backup.",
        "Add the full backup that the others build on, or take a new one.";
    ORPHANED_LOG 164 Warning "log without a full backup before it",
        "A log backup that is older than every full backup here, or that nothing leads to, cannot be applied.",
        "Add the full backup before it, or leave the log out.";
    BEFORE_FIRST 165 Error "moment before the first full backup",
        "No backup here was finished by that moment.",
        "Choose a later moment, or add an older full backup.";
    AFTER_LAST 166 Error "moment after the newest backup",
        "What was done after the end of the newest usable log backup is in no backup here.",
        "Choose an earlier moment, or add newer log backups.";
    UNCERTAIN 167 Warning "moment in the last seconds of the log",
        "The log backup was running at that moment, and whether it holds the last changes cannot be told from it.",
        "Accept the uncertainty of seconds, or add the next log backup.";
    DUPLICATE 168 Info "the same backup twice",
        "A second copy adds nothing; one of them is used.",
        "Nothing, or leave one copy out to save space.";
    SIMPLE_RECOVERY 169 Info "database in SIMPLE recovery",
        "Without log backups everything since the last full or differential backup is lost with the server.",
        "Use FULL recovery and log backups if that is too much.";
    OTHER_BRANCH 170 Warning "backups of another branch of history",
        "After a restore to an earlier moment the database goes on in a new branch, and backups of the branch that was left do not fit.",
        "Check that the branch that the plan names is the one you want.";
    NOT_PLANNED 171 Warning "kind of backup that is not planned",
        "Backups of files and filegroups, and partial backups, are kept but no restore is planned with them.",
        "Take full backups of the whole database as well.";
    HEADER_LACKING 172 Error "header lacks what a plan needs",
        "Without type, LSNs and finish date nobody can say where the set belongs.",
        "Take the file from another copy, or take a new backup.";
    SAME_NAME 173 Warning "two databases of one name",
        "The backups come from two databases that share a name, for example after one was dropped and made anew.",
        "Check which one you need, and name it by its family.";
    LOGS_BESIDE_SIMPLE 174 Info "log backups of a database now in SIMPLE",
        "The newest backup was made in SIMPLE recovery, so the older logs lead only to moments before the change.",
        "Nothing, if the change was wanted.";
    NOT_ALL_NOTED 175 Warning "not every backup set is noted in the archive",
        "An archive notes a file's backup sets when it is packed, as far as there is room; the others are in the file, but not in the verdict.",
        "Run verify --level media, which reads all of them; pack fewer sets in one file.";
    UNJUDGED 176 Warning "backup that cannot be judged here",
        "It is in a form that is not read here, or within a ZIP, which RESTORE does not read; nothing need be wrong with it.",
        "Pack it unzipped and without the ZIP's encryption, or try it in a rehearsal.";
}
