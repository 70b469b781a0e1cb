//! `Origin.xml` and `DacMetadata.xml` of a package: where it comes from, and the model's hash.

use roxmltree::{Document, Node, ParsingOptions};

/// The longest of these two files in bytes; real ones have a few kilobytes.
pub(super) const MAX_XML_LEN: usize = 1 << 20;
/// How many nodes (elements, texts, attributes) are taken.
const MAX_NODES: u32 = 50_000;
/// The URI of the model in the list of checksums.
const MODEL_URI: &str = "/model.xml";

/// What `Origin.xml` tells. Fields that it does not have are None.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The server's `@@VERSION`, its first line.
    pub server_version: Option<String>,
    /// The version of DACFx that wrote the package.
    pub product_version: Option<String>,
    /// When the export began, as it stands there: RFC 3339 with an offset.
    pub started: Option<String>,
    /// Whether it says that rows are in it.
    pub contains_data: Option<bool>,
    /// How many objects of each kind the model has.
    pub object_counts: Vec<(String, u64)>,
    /// The size of the database in KiB.
    pub source_database_size: Option<u64>,
    /// SHA-256 of `model.xml`.
    pub model_sha256: Option<[u8; 32]>,
}

/// What `DacMetadata.xml` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// The name of the package: that of the database, if nobody gave another.
    pub(super) name: Option<String>,
    /// Its version.
    pub(super) version: Option<String>,
}

impl Origin {
    /// Decodes the text of `Origin.xml`; an error says in one line why it cannot be.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = text_of(bytes)?;
        let document = parse(text)?;
        let root = root_named(&document, "DacOrigin")?;
        let operation = child(root, "Operation");
        let server = child(root, "Server");
        let text = |parent: Option<Node<'_, '_>>, name| text_in(parent?, name);
        let version = text(server, "ServerVersion");
        Ok(Self {
            server_version: version.and_then(|text| text.lines().next().map(trimmed)),
            product_version: text(operation, "ProductVersion"),
            started: text(operation, "Start"),
            contains_data: text(child(root, "PackageProperties"), "ContainsExportedData")
                .and_then(|text| text.parse().ok()),
            object_counts: server
                .and_then(|server| child(server, "ObjectCounts"))
                .map(counts)
                .unwrap_or_default(),
            source_database_size: text(child(root, "ExportStatistics"), "SourceDatabaseSize")
                .and_then(|text| text.parse().ok()),
            model_sha256: model_checksum(root)?,
        })
    }
}

impl Metadata {
    /// Decodes the text of `DacMetadata.xml` likewise.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = text_of(bytes)?;
        let document = parse(text)?;
        let root = root_named(&document, "DacType")?;
        Ok(Self {
            name: text_in(root, "Name"),
            version: text_in(root, "Version"),
        })
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(text.trim_start_matches('\u{feff}'))
}

/// Entities need a DTD, which is refused: nothing in the text can grow.
fn parse(text: &str) -> Result<Document<'_>, String> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| format!("it is no XML: {error}"))
}

fn root_named<'a>(document: &'a Document<'a>, name: &str) -> Result<Node<'a, 'a>, String> {
    let root = document.root_element();
    if root.tag_name().name() == name {
        Ok(root)
    } else {
        Err(format!("its root is not {name}"))
    }
}

/// By local name: the namespace has changed between versions of DACFx.
fn child<'a>(parent: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    parent
        .children()
        .find(|node| node.is_element() && node.tag_name().name() == name)
}

fn text_in(parent: Node<'_, '_>, name: &str) -> Option<String> {
    let node = parent
        .children()
        .find(|node| node.is_element() && node.tag_name().name() == name)?;
    node.text().map(trimmed)
}

fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}

fn counts(parent: Node<'_, '_>) -> Vec<(String, u64)> {
    let elements = parent.children().filter(Node::is_element);
    elements
        .filter_map(|node| {
            let count = node.text()?.trim().parse().ok()?;
            Some((node.tag_name().name().to_owned(), count))
        })
        .collect()
}

fn model_checksum(root: Node<'_, '_>) -> Result<Option<[u8; 32]>, String> {
    let is_checksum = |node: &Node<'_, '_>| {
        node.tag_name().name() == "Checksum" && node.attribute("Uri") == Some(MODEL_URI)
    };
    let Some(node) = root.descendants().find(is_checksum) else {
        return Ok(None);
    };
    let text = node.text().unwrap_or_default().trim();
    decode_hex(text)
        .map(Some)
        .ok_or_else(|| "its checksum of model.xml is not 64 hexadecimal digits".to_owned())
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        })
        .collect();
    let pairs: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |sum, digit| sum << 4 | digit))
        .collect();
    (text.len() == 64).then_some(pairs)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(body: &str) -> Result<Origin, String> {
        Origin::decode(format!("<DacOrigin xmlns=\"urn:x\">{body}</DacOrigin>").as_bytes())
    }

    #[test]
    fn entities_are_refused() {
        let text = "<!DOCTYPE d [<!ENTITY a \"aaaa\">]><DacOrigin>&a;</DacOrigin>";
        let error = Origin::decode(text.as_bytes()).unwrap_err();
        assert!(error.contains("DTD"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_none() {
        assert_eq!(origin("").unwrap(), Origin::default());
        assert_eq!(origin("<Server/>").unwrap(), Origin::default());
        assert!(Origin::decode(b"<Other/>").is_err());
        assert!(Origin::decode(b"\xff").is_err());
        assert!(Origin::decode(b"<DacOrigin>").is_err());
    }

    #[test]
    fn a_checksum_has_64_digits() {
        let of = |text: &str| {
            origin(&format!(
                "<Checksums><Checksum Uri=\"/model.xml\">{text}</Checksum></Checksums>"
            ))
        };
        assert_eq!(of(&"aB".repeat(32)).unwrap().model_sha256, Some([0xAB; 32]));
        assert!(of(&"aB".repeat(31)).is_err());
        assert!(of(&"xy".repeat(32)).is_err());
        assert!(of("").is_err());
    }

    #[test]
    fn the_server_is_told_by_its_first_line() {
        let origin = origin(
            "<Server><ServerVersion> Microsoft SQL Azure 12\n\tOct 1\n</ServerVersion>\
             <ObjectCounts><Table>22</Table><View>x</View></ObjectCounts></Server>",
        )
        .unwrap();
        assert_eq!(
            origin.server_version.as_deref(),
            Some("Microsoft SQL Azure 12")
        );
        assert_eq!(origin.object_counts, [("Table".to_owned(), 22)]);
    }
}
