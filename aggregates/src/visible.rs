//! The visible characters of a text.

/// Whether a text has no visible character: it is empty, or consists of white space and invisible characters. Such a
/// value counts as absent.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// Whether a character is invisible: control and format characters (`Cc`, `Cf`), default ignorable ones, and blanks
/// that are not white space. Source: Unicode Character Database, `UnicodeData.txt` and `DerivedCoreProperties.txt`.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_blank() {
        for blank in [
            "",
            " ",
            "\t\r\n",
            "\u{a0}\u{3000}",
            "\u{200b}",
            "\u{feff} \u{2060}",
            "\u{2800}\u{3164}",
            "\0",
        ] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for told in ["x", " x ", "\u{200b}-", "\u{1f510}"] {
            assert!(!is_blank(told), "{told:?}");
        }
    }
}
