use super::*;

/// Data files of so many pages each, numbered from 1 on.
fn files(pages: &[u64]) -> DataFiles {
    DataFiles::new((1..).zip(pages.iter().map(|pages| pages * PAGE_LEN as u64)))
}

/// Extents by their names, those without one lost, and what is told of them.
fn told(
    extents: &[Option<(u16, u32)>],
    files: &DataFiles,
    announced: Option<&[(u16, u64)]>,
) -> Vec<Option<PageRange>> {
    let mut section = Section::default();
    for (extent, offset) in extents.iter().zip((0..).step_by(65_536)) {
        match extent {
            Some(base) => section.extent(Some(*base), &[], files),
            None => section.pages_lost(offset, 8),
        }
    }
    let announced = announced.map(|pages| pages.iter().copied().collect());
    let mut lost = Lost::default();
    section.finish(files, announced.as_ref(), &mut lost);
    lost.pages.iter().map(|pages| pages.pages).collect()
}

#[test]
fn an_extent_out_of_order_leaves_all_unnamed() {
    let one = files(&[800]);
    let extents = [Some((1, 0)), None, Some((1, 16)), None, Some((1, 32))];
    assert_eq!(
        told(&extents, &one, None),
        [range(1, 8, 15, true), range(1, 24, 31, true)]
    );
    let extents = [Some((1, 0)), None, Some((1, 16)), Some((1, 8))];
    assert_eq!(told(&extents, &one, None), [None]);
    // More than fit between the two.
    let extents = [Some((1, 0)), None, None, Some((1, 16))];
    assert_eq!(told(&extents, &one, None), [None]);
}

#[test]
fn of_several_files_the_announced_pages_must_tell_which_lacks_some() {
    let two = files(&[80, 80]);
    let extents = [
        Some((1, 0)),
        None,
        Some((1, 16)),
        Some((2, 0)),
        Some((2, 8)),
    ];
    assert_eq!(told(&extents, &two, None), [None]);
    assert_eq!(
        told(&extents, &two, Some(&[(1, 24), (2, 16)])),
        [range(1, 8, 15, true)]
    );
    // Both lack some.
    assert_eq!(told(&extents, &two, Some(&[(1, 24), (2, 24)])), [None]);
    // Between two files.
    let extents = [Some((1, 0)), None, Some((2, 0))];
    assert_eq!(told(&extents, &two, Some(&[(1, 16), (2, 8)])), [None]);
}

#[test]
fn what_is_known_among_the_lost_narrows_their_range() {
    let one = files(&[800]);
    let mut section = Section::default();
    section.extent(Some((1, 0)), &[], &one);
    section.pages_lost(65_536, 8);
    section.extent(None, &[], &one);
    section.pages_lost(3 * 65_536, 16);
    section.extent(Some((1, 48)), &[], &one);
    let mut lost = Lost::default();
    section.finish(&one, None, &mut lost);
    let pages: Vec<_> = lost.pages.iter().map(|pages| pages.pages).collect();
    assert_eq!(pages, [range(1, 8, 23, false), range(1, 24, 47, false)]);
}

#[test]
fn what_gaps_lost_is_settled_by_their_sum() {
    let one = files(&[800]);
    let gaps = |missing: u64, ends: &[u32]| {
        let mut section = Section::default();
        section.extent(Some((1, 0)), &[], &one);
        for end in ends {
            section.gap(1000, 1 << 20);
            section.extent(Some((1, *end)), &[], &one);
        }
        section.missing(missing * 65_536);
        let mut lost = Lost::default();
        section.finish(&one, None, &mut lost);
        let pages = lost.pages.iter().map(|pages| (pages.count, pages.pages));
        pages.collect::<Vec<_>>()
    };
    assert_eq!(gaps(2, &[24]), [(16, range(1, 8, 23, true))]);
    assert_eq!(gaps(1, &[24]), [(8, range(1, 8, 23, false))]);
    assert_eq!(gaps(0, &[24]), []);
    assert_eq!(
        gaps(3, &[24, 40]),
        [(16, range(1, 8, 23, true)), (8, range(1, 32, 39, true))]
    );
    assert_eq!(
        gaps(2, &[24, 40]),
        [(16, range(1, 8, 23, false)), (8, range(1, 32, 39, false))]
    );
}

#[test]
fn ranges_beyond_the_limit_are_counted() {
    let one = files(&[1 << 20]);
    let mut section = Section::default();
    for extent in 0..5000_u32 {
        let offset = u64::from(extent) * 65_536;
        section.extent(Some((1, extent * 8)), &[(3, offset)], &one);
    }
    let mut lost = Lost::default();
    section.finish(&one, None, &mut lost);
    assert_eq!((lost.pages.len(), lost.more_pages), (4096, 904));
    assert_eq!(lost.page_count, 5000);
}
