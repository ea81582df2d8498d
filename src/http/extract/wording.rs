//! What the libraries say of an input, in our words.

use super::values::NO_NUMBER;

/// Rewords a library's reasons for refusing a number; others are unchanged.
pub(super) fn in_our_words(cause: &str) -> String {
    const REASONS: [&str; 3] = [
        "invalid digit found in string",
        "cannot parse integer from empty string",
        "number too large to fit in target type",
    ];
    let with_ours = |cause: String, reason: &&str| cause.replace(*reason, NO_NUMBER);
    let cause = REASONS.iter().fold(cause.to_owned(), with_ours);
    let cause = match cause.split_once("expected struct ") {
        Some((what, _)) => format!("{what}expected an object"),
        None => cause,
    };
    named(&cause).unwrap_or_else(|| {
        const WORDS: [(&str, &str); 6] = [
            ("EOF while parsing a value at line 1 column 0", "it is empty"),
            ("EOF while parsing", "it ends within"),
            ("expected a sequence", "expected a list"),
            ("invalid type: sequence", "invalid type: a list"),
            ("invalid type: map", "invalid type: an object"),
            ("expected u64", "expected a number from 0 on"),
        ];
        WORDS
            .iter()
            .fold(cause, |cause, (theirs, ours)| cause.replace(theirs, ours))
    })
}

/// Rewords a library's message about a field name; none for other messages.
fn named(cause: &str) -> Option<String> {
    // the path may precede the name, and the place follow it
    let (path, cause) = match cause.split_once(": ") {
        Some((path, rest)) if !path.contains(' ') => (format!("{path}: "), rest),
        _ => (String::new(), cause),
    };
    // a name is found without line and column
    let cause = cause.split_once(" at line ").map_or(cause, |(cause, _)| cause);
    let after = |start: &str| {
        let (name, rest) = cause.strip_prefix(start)?.split_once('`')?;
        Some((name.to_owned(), rest))
    };
    let told = if let Some((name, rest)) = after("unknown field `") {
        match rest.strip_prefix(", expected ") {
            Some(known) => format!("`{name}` is unknown; known are {}", known.trim_start_matches("one of ")),
            None => format!("`{name}` is unknown: there are none here"),
        }
    } else if let Some((name, _)) = after("missing field `") {
        format!("`{name}` is missing")
    } else if let Some((name, _)) = after("duplicate field `") {
        format!("`{name}` is given twice")
    } else if let Some((name, rest)) = after("unknown variant `") {
        let known = rest.strip_prefix(", expected ").unwrap_or(rest);
        format!("`{name}` is not one of {}", known.trim_start_matches("one of "))
    } else {
        return None;
    };
    // the path to an unknown or repeated name already ends in it
    match path.strip_suffix(": ") {
        Some(path) if told.starts_with(&format!("`{path}`")) => Some(told),
        _ => Some(format!("{path}{told}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_says_is_put_as_a_person_would() {
        for (theirs, ours) in [
            (
                "unknown field `limit`, there are no fields",
                "`limit` is unknown: there are none here",
            ),
            (
                "unknown field `x`, expected `a` or `b`",
                "`x` is unknown; known are `a` or `b`",
            ),
            (
                "unknown field `x`, expected one of `a`, `b`, `c`",
                "`x` is unknown; known are `a`, `b`, `c`",
            ),
            ("missing field `key`", "`key` is missing"),
            ("duplicate field `limit`", "`limit` is given twice"),
            (
                "colour: unknown field `colour`, expected `reason` or `includeSeed` at line 1 column 9",
                "`colour` is unknown; known are `reason` or `includeSeed`",
            ),
            (
                "status: unknown variant `x`, expected one of `a`, `b`",
                "status: `x` is not one of `a`, `b`",
            ),
            ("EOF while parsing a value at line 1 column 0", "it is empty"),
            (
                "invalid type: sequence, expected an object at line 1 column 0",
                "invalid type: a list, expected an object at line 1 column 0",
            ),
            (
                "position: invalid type: string \"7\", expected u64",
                "position: invalid type: string \"7\", expected a number from 0 on",
            ),
        ] {
            assert_eq!(in_our_words(theirs), ours);
        }
    }
}
