//! Free text as facts keep it.

use super::MAX_WORD_CHARS;
use aggregates::visible::is_blank;

/// The most characters of a reason kept in the facts; the original keeps all.
pub(super) const MAX_TEXT_CHARS: usize = 1_000;

/// Free text, fit for any database and screen: control characters become U+FFFD, longer text ends in `…`.
pub(super) fn shorten(text: &str, max: usize) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut kept: String = clean.clone().take(max).collect();
    if clean.count() > max {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// An event's name as a fact. A name that is not plain letters, digits, `.`, `_`, `-` or `:` may be anything, such as
/// an address, and stays in the sealed original.
pub(super) fn event_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
    if name.chars().all(plain) {
        shorten(name, MAX_WORD_CHARS)
    } else {
        "(not a plain name)".to_owned()
    }
}

/// Free text that may be absent or blank, without e-mail addresses: facts are kept for ever, so addresses stay in the
/// sealed original.
pub(super) fn optional_text(text: Option<String>, max: usize) -> Option<String> {
    let text = shorten(&without_addresses(text?), max);
    (!is_blank(&text)).then_some(text)
}

fn without_addresses(text: String) -> String {
    if !text.contains('@') {
        return text;
    }
    let plain = |word| if str::contains(word, '@') { "(an address)" } else { word };
    text.split_whitespace().map(plain).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_loses_control_characters_and_what_is_too_long() {
        assert_eq!(shorten(" a\0b\n ", 10), "a\u{fffd}b");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(optional_text(Some("  ".to_owned()), 4), None);
    }

    #[test]
    fn free_text_loses_addresses() {
        let kept = |text: &str| optional_text(Some(text.to_owned()), 1_000);
        assert_eq!(
            kept("owner <ann@example.com>, or\tbob@example.com refused").as_deref(),
            Some("owner (an address) or (an address) refused")
        );
        assert_eq!(kept("ann@example.com").as_deref(), Some("(an address)"));
        assert_eq!(kept("Pool  empty").as_deref(), Some("Pool  empty"));
    }
}
