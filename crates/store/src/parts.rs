//! Splits rows into parts, to bound the size of statements.

/// Bytes of documents sent in one statement, unless one document alone is larger: a statement's values are held in
/// memory a second time while it is sent.
const SENT_AT_ONCE: usize = 4 << 20;

/// The rows in parts of at most [`SENT_AT_ONCE`] bytes each.
pub(super) fn by_size<T>(rows: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut parts, mut begun, mut bytes) = (Vec::new(), 0, 0);
    for (index, row) in rows.iter().enumerate() {
        let own = size(row);
        if index > begun && bytes + own > SENT_AT_ONCE {
            parts.push(&rows[begun..index]);
            (begun, bytes) = (index, 0);
        }
        bytes += own;
    }
    if begun < rows.len() {
        parts.push(&rows[begun..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_large_as_allowed_and_hold_every_row_once() {
        let sizes = [SENT_AT_ONCE / 2, SENT_AT_ONCE / 2, 1, 3 * SENT_AT_ONCE, 2, 2];
        let parts: Vec<Vec<usize>> = by_size(&sizes, |size| *size).into_iter().map(<[_]>::to_vec).collect();
        assert_eq!(
            parts,
            [
                vec![SENT_AT_ONCE / 2, SENT_AT_ONCE / 2],
                vec![1],
                vec![3 * SENT_AT_ONCE],
                vec![2, 2]
            ]
        );
        assert!(by_size(&[] as &[usize], |size| *size).is_empty());
    }
}
