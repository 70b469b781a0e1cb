//! `damage VERB ...`: how much damage archives with parity survive.

use bakpak_benches::damage::{Cause, Model, Scattered, confidence};
use bakpak_benches::generator::Generator;
use bakpak_benches::memory::{MemorySet, settings};
use bakpak_benches::workload::{Kind, MadeFile};
use bakpak_codec::observer::Unobserved;
use bakpak_codec::pack::PackSettings;
use bakpak_codec::repair::repair;
use bakpak_format::digest::SECTOR_LEN;
use bakpak_format::geometry::{BlockSize, Geometry, ParityGeometry};
use bakpak_format::header::Head;
use bakpak_format::tail::{LOCATOR_LEN, Locator};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;

const USAGE: &str = "\
usage: damage simulate TRIALS [SEED]     shares of archives repaired that lost sectors at random
       damage validate TRIALS [SEED]     real repairs beside what the model says of the same damage
       damage bursts [SEED]              the longest burst that is repaired wherever it is
       damage --help
Sectors have 4 KiB and are lost independently. `simulate` counts, with blocks of 1 MiB: archives of
1 GiB, 100 GiB and 1 TiB of blocks, each geometry. `validate` makes archives of 64 MiB in files without
names in the temporary folder, TRIALS damages to each of eight. Equal seeds give equal numbers.";

/// Sectors are lost at these rates.
const RATES: [f64; 3] = [1e-5, 1e-4, 1e-3];

/// Content of the archives that are really repaired.
const CONTENT_LEN: usize = 64 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("damage: error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `false` if these are no arguments.
fn run(words: &[&str]) -> Result<bool, Box<dyn Error>> {
    match words {
        ["--help"] => println!("{USAGE}"),
        ["simulate", trials] => simulate(trials.parse()?, 1),
        ["simulate", trials, seed] => simulate(trials.parse()?, seed.parse()?),
        ["validate", trials] => validate(trials.parse()?, 1)?,
        ["validate", trials, seed] => validate(trials.parse()?, seed.parse()?)?,
        ["bursts"] => bursts(1)?,
        ["bursts", seed] => bursts(seed.parse()?)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn geometries() -> impl Iterator<Item = ParityGeometry> {
    ParityGeometry::all().filter(|parity| *parity != ParityGeometry::NONE)
}

/// An archive as `pack` makes it with a key file, of that many blocks.
fn model(block_size: BlockSize, parity: ParityGeometry, block_count: u64) -> Model {
    let geometry = Geometry {
        parity,
        ..Geometry::new(block_size, SECTOR_LEN, 4 * SECTOR_LEN, 0)
    };
    Model::new(geometry, block_count)
}

fn simulate(trials: u64, seed: u64) {
    for (size, block_count) in [
        ("1 GiB", 1 << 10),
        ("100 GiB", 100 << 10),
        ("1 TiB", 1 << 20),
    ] {
        for rate in RATES {
            let sectors = (block_count << 8) as f64;
            let without = (sectors * (-rate).ln_1p()).exp();
            println!("size {size} parity none loss {rate:e}: chance {without:.3e}");
            for parity in geometries() {
                let model = model(BlockSize::ONE_MIB, parity, block_count);
                let of = |trial| {
                    let seeds = [
                        seed,
                        block_count,
                        rate.to_bits(),
                        parity.number().into(),
                        trial,
                    ];
                    Scattered::new(Generator::of(&seeds), rate)
                };
                let mut causes: BTreeMap<Cause, u64> = BTreeMap::new();
                for cause in (0..trials).filter_map(|trial| model.repaired(of(trial)).err()) {
                    *causes.entry(cause).or_default() += 1;
                }
                let repaired = trials - causes.values().sum::<u64>();
                let [least, most] = confidence(repaired, trials);
                println!(
                    "size {size} parity {} loss {rate:e}: repaired {repaired} of {trials}, share {:.5}, \
                     95 % {least:.5} to {most:.5}; columns fail by chance {:.3e}; lost by {causes:?}",
                    parity.name(),
                    repaired as f64 / trials as f64,
                    1.0 - model.chance_of_columns(rate),
                );
            }
        }
    }
}

/// An archive that is damaged again and again.
struct Specimen {
    whole: Vec<u8>,
    file: File,
    model: Model,
}

impl Specimen {
    fn new(
        block_size: BlockSize,
        parity: ParityGeometry,
        len: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let mut content = Vec::new();
        Generator::of(&[len as u64]).noise(&mut content, len);
        let made = MadeFile {
            path: "noise".into(),
            kind: Kind::Artifact,
            content,
        };
        let settings = PackSettings {
            parity,
            block_size: Some(block_size),
            ..settings(1)
        };
        let file = tempfile::tempfile()?;
        MemorySet::new([made].into_iter()).pack(settings, file.try_clone()?)?;
        let mut whole = vec![0; file.metadata()?.len() as usize];
        file.read_exact_at(&mut whole, 0)?;
        let head = Head::decode(&whole[..Head::peek_len(&whole)?])?;
        let (_, locator) = whole.split_last_chunk::<LOCATOR_LEN>().ok_or("too short")?;
        let locator = Locator::decode(locator)?.ok_or("no locator")?;
        let model = Model::new(head.geometry(), locator.block_count);
        if model.sector_count() * SECTOR_LEN as u64 != whole.len() as u64 {
            return Err("the model has another length".into());
        }
        Ok(Self { whole, file, model })
    }

    /// Damages these stretches, repairs, and puts everything back: what the model says, and what
    /// came out.
    fn try_repair(
        &self,
        stretches: &[(u64, Vec<u8>)],
        output: &File,
    ) -> Result<(bool, bool), Box<dyn Error>> {
        let mut lost = BTreeSet::new();
        for (offset, bytes) in stretches {
            let end = *offset as usize + bytes.len();
            // What is zero already is not lost when it reads as zeros.
            for at in *offset as usize / SECTOR_LEN..=(end - 1) / SECTOR_LEN {
                let (from, to) = (at * SECTOR_LEN, (at + 1) * SECTOR_LEN);
                let (from, to) = (from.max(*offset as usize), to.min(end));
                let (new, old) = (
                    &bytes[from - *offset as usize..to - *offset as usize],
                    &self.whole[from..to],
                );
                if new != old {
                    lost.insert(at as u64);
                }
            }
            self.file.write_all_at(bytes, *offset)?;
        }
        let predicted = self.model.is_repaired(lost.into_iter());
        output.set_len(0)?;
        let report = repair(&self.file, output, 1, &Unobserved);
        let repaired = report.is_ok_and(|report| report.is_complete());
        if repaired && !self.is_whole(output)? {
            return Err("repaired, but other bytes".into());
        }
        for (offset, bytes) in stretches {
            let offset_in = *offset as usize;
            self.file
                .write_all_at(&self.whole[offset_in..offset_in + bytes.len()], *offset)?;
        }
        Ok((predicted, repaired))
    }

    fn is_whole(&self, output: &File) -> io::Result<bool> {
        let mut bytes = vec![0; self.whole.len()];
        output.read_exact_at(&mut bytes, 0)?;
        Ok(bytes == self.whole && output.metadata()?.len() == self.whole.len() as u64)
    }

    /// Lost sectors of one of five kinds.
    fn damage(&self, kind: u64, random: &mut Generator) -> BTreeSet<u64> {
        let model = &self.model;
        let all = model.sector_count();
        let mut lost = BTreeSet::new();
        let unit = |random: &mut Generator| random.below(1 << 30) as f64 / (1_u64 << 30) as f64;
        let share = match kind {
            0 => 0.02 + 0.96 * unit(random),
            _ => 0.5 + 0.499 * unit(random),
        };
        let rate = rate_of(model, share);
        let seeds = Generator::of(&[random.number()]);
        lost.extend(Scattered::new(seeds, rate).take_while(|at| *at < all));
        let stripe = random.below(model.stripe_count());
        let [start, first, parity, second] = model.places(stripe);
        let page_sectors = model.page_sectors(stripe);
        let ends = model.ends();
        match kind {
            // Sectors of pages, in both copies.
            1 | 2 => {
                let page_rate = f64::powf(10.0, -2.5 + 2.1 * unit(random));
                for page in [first, second] {
                    let seeds = Generator::of(&[random.number()]);
                    let of_page =
                        Scattered::new(seeds, page_rate).take_while(|at| *at < page_sectors);
                    lost.extend(of_page.map(|at| page + at));
                }
                // Their first sectors, too: nothing is listed then.
                if kind == 2 {
                    lost.extend([first, second]);
                    // Few other losses, so that shards that nothing proves are the matter.
                    let few = random.below(4);
                    lost.retain(|at| (first..parity).contains(at) || *at >= second);
                    lost.extend((0..few).map(|_| start + random.below(first - start)));
                }
            }
            // A burst of up to 1.3 times what is always repaired.
            3 => {
                lost.retain(|at| at % 4 == 0);
                let len = 1 + random.below((parity.abs_diff(second) * 13 / 10).max(2));
                let begin = random.below(all);
                lost.extend(begin..(begin + len).min(all));
            }
            // What opens and closes the archive, and first sectors of pages.
            4 => {
                lost.retain(|at| at % 4 == 0);
                lost.extend((0..ends.start).filter(|_| random.chance(40)));
                lost.extend((ends.end..all).filter(|_| random.chance(40)));
                for index in 0..model.stripe_count() {
                    let [_, first, _, second] = model.places(index);
                    lost.extend([first, second].into_iter().filter(|_| random.chance(50)));
                }
            }
            _ => {}
        }
        lost
    }
}

/// The rate at which a share of archives is repaired, as far as columns go.
fn rate_of(model: &Model, share: f64) -> f64 {
    let (mut low, mut high) = (1e-7, 0.5);
    for _ in 0..60 {
        let middle = f64::sqrt(low * high);
        match model.chance_of_columns(middle) > share {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}

fn validate(trials: u64, seed: u64) -> Result<(), Box<dyn Error>> {
    let output = tempfile::tempfile()?;
    let mut differing = 0;
    for (block, block_size) in [
        ("64 KiB", BlockSize::SIXTY_FOUR_KIB),
        ("1 MiB", BlockSize::ONE_MIB),
    ] {
        for parity in geometries() {
            let specimen = Specimen::new(block_size, parity, CONTENT_LEN)?;
            let mut counts = [[0; 3]; 5];
            for trial in 0..trials {
                let kind = trial % 5;
                let seeds = [
                    seed,
                    block_size.log2().into(),
                    parity.number().into(),
                    trial,
                ];
                let mut random = Generator::of(&seeds);
                let lost = specimen.damage(kind, &mut random);
                // Half of all media give noise, half give zeros.
                let with_noise = random.chance(50);
                let stretches: Vec<_> = lost
                    .iter()
                    .map(|at| {
                        let mut bytes = Vec::new();
                        match with_noise {
                            true => random.noise(&mut bytes, SECTOR_LEN),
                            false => bytes.resize(SECTOR_LEN, 0),
                        }
                        (at * SECTOR_LEN as u64, bytes)
                    })
                    .collect();
                let (predicted, repaired) = specimen.try_repair(&stretches, &output)?;
                let [all, right, other] = &mut counts[kind as usize];
                *all += 1;
                *right += u64::from(repaired);
                if predicted != repaired {
                    *other += 1;
                    differing += 1;
                    println!(
                        "DIFFERS: blocks {block} parity {} trial {trial}, kind {kind}, noise {with_noise}: \
                         {} sectors lost, model {predicted}, repair {repaired}",
                        parity.name(),
                        lost.len()
                    );
                }
            }
            let kinds = [
                "scattered",
                "pages",
                "first sectors of pages",
                "burst",
                "opening and tail",
            ];
            for (kind, [all, right, other]) in kinds.iter().zip(counts) {
                println!(
                    "blocks {block} parity {} damage {kind}: {all} damages, {right} repaired, {other} \
                     otherwise than the model says",
                    parity.name()
                );
            }
        }
    }
    match differing {
        0 => Ok(()),
        _ => Err(format!("{differing} times the model says otherwise").into()),
    }
}

/// Counted in archives of full stripes and of others, then really repaired at some
/// places.
fn bursts(seed: u64) -> Result<(), Box<dyn Error>> {
    for parity in geometries() {
        let full = parity.data_blocks_per_stripe() as u64;
        for block_count in [1, 15, 100, full, 2 * full, 2 * full + 1, 2 * full + 100] {
            let model = model(BlockSize::ONE_MIB, parity, block_count);
            println!(
                "blocks 1 MiB parity {} blocks {block_count}: any {} sectors in a row are repaired",
                parity.name(),
                longest(&model)
            );
        }
    }
    let output = tempfile::tempfile()?;
    for (block_size, parity, stripes, places) in [
        (BlockSize::SIXTY_FOUR_KIB, ParityGeometry::THREE, 2, 150),
        (BlockSize::ONE_MIB, ParityGeometry::THREE, 1, 24),
    ] {
        // Exactly full stripes: found by trying lengths of the content.
        let full = stripes * parity.data_blocks_per_stripe();
        let len = (full - 1) * block_size.payload_len() - (block_size.payload_len() * full / 4000);
        let specimen = Specimen::new(block_size, parity, len)?;
        let model = &specimen.model;
        let most = parity.max_len(block_size) as u64;
        let mut random = Generator::of(&[seed, block_size.log2().into()]);
        for (name, len) in [
            ("P*B - 4096, at any byte", most - 4096),
            ("P*B, at sectors", most),
            ("P*B + 4096, at sectors", most + 4096),
        ] {
            let (mut right, mut other) = (0, 0);
            for place in 0..places {
                let all = specimen.whole.len() as u64 - len;
                let [_, first, parity, second] = model.places(0);
                let special = [first, parity, second, parity - 1, first + 1];
                let mut begin = match special.get(place) {
                    Some(sector) => (sector * SECTOR_LEN as u64).min(all),
                    None => random.below(all),
                };
                if name.ends_with("sectors") {
                    begin -= begin % SECTOR_LEN as u64;
                }
                let mut bytes = Vec::new();
                random.noise(&mut bytes, len as usize);
                let (predicted, repaired) = specimen.try_repair(&[(begin, bytes)], &output)?;
                right += u64::from(repaired);
                other += u64::from(predicted != repaired);
            }
            println!(
                "really repaired, blocks {} KiB, parity 3, {} stripes, bursts of {name} ({len} bytes): {right} of \
                 {places}, {other} otherwise than the model says",
                block_size.bytes() / 1024,
                model.stripe_count()
            );
        }
    }
    Ok(())
}

/// The most sectors in a row that are repaired wherever they are: at every 97th sector, and at all
/// places near where parts begin.
fn longest(model: &Model) -> u64 {
    let all = model.sector_count();
    let edges = (0..model.stripe_count()).flat_map(|stripe| model.places(stripe));
    let near = edges.flat_map(|edge| edge.saturating_sub(3)..edge + 3);
    let begins: BTreeSet<u64> = (0..all).step_by(97).chain(near).collect();
    let (mut low, mut high) = (0, all);
    while high - low > 1 {
        let middle = low.midpoint(high);
        // From there a burst also ends at, or begins behind, each of the edges.
        let ending = begins.iter().filter_map(|edge| edge.checked_sub(middle));
        let mut all_begins = begins.iter().copied().chain(ending);
        let is_inside = |begin: u64| begin + middle <= all;
        let is_repaired = |begin: u64| model.is_repaired(begin..begin + middle);
        match all_begins.all(|begin| !is_inside(begin) || is_repaired(begin)) {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}
