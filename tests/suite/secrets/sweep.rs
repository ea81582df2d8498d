//! Searches for planted texts, in every encoding that a leak could have.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The length of a needle's prefix, by which it is indexed.
const START: usize = 6;

/// Planted texts in all their encodings.
pub struct Sweep {
    /// Which first three bytes occur, to skip most of the hay quickly.
    begins: Vec<bool>,
    needles: HashMap<[u8; START], Vec<(Vec<u8>, String)>>,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            begins: vec![false; 1 << 24],
            needles: HashMap::new(),
        }
    }
}

fn begin(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2])
}

impl Sweep {
    /// Plants a text; `name` stands for it in findings.
    pub fn plant(&mut self, name: &str, text: &str) {
        for form in forms(text) {
            self.begins[begin(&form)] = true;
            let start = form[..START].try_into().unwrap();
            self.needles.entry(start).or_default().push((form, name.to_owned()));
        }
    }

    /// The names of all that are found.
    pub fn find(&self, hay: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for at in 0..hay.len().saturating_sub(START - 1) {
            if !self.begins[begin(&hay[at..])] {
                continue;
            }
            let start: [u8; START] = hay[at..at + START].try_into().unwrap();
            let candidates = self.needles.get(&start).into_iter().flatten();
            let hits = candidates.filter(|(needle, _)| hay[at..].starts_with(needle));
            found.extend(hits.map(|(_, name)| name.as_str()));
        }
        found
    }
}

/// As it is; without white space; as JSON, in two ways; in URLs; hexadecimal; base64 at any offset.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(text).unwrap();
    let nested = serde_json::to_string(&json[1..json.len() - 1]).unwrap();
    let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let url: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let plus = text.replace(' ', "+");
    let compact: String = text.split_whitespace().collect();
    let mut forms = vec![
        text.as_bytes().to_vec(),
        json.as_bytes()[1..json.len() - 1].to_vec(),
        nested.as_bytes()[1..nested.len() - 1].to_vec(),
        escaped.into_bytes(),
        url.into_bytes(),
        plus.into_bytes(),
        compact.into_bytes(),
        hex::encode(text).into_bytes(),
        hex::encode_upper(text).into_bytes(),
        format!("{:?}", text.as_bytes())
            .trim_matches(['[', ']'])
            .as_bytes()
            .to_vec(),
    ];
    for padding in 0..3 {
        let mut shifted = vec![0; padding];
        shifted.extend_from_slice(text.as_bytes());
        // leave out characters that hold bits of neighbouring bytes
        let (skip, keep) = ([0, 2, 3][padding], shifted.len() * 8 / 6);
        forms.push(STANDARD_NO_PAD.encode(&shifted).as_bytes()[skip..keep].to_vec());
        forms.push(URL_SAFE_NO_PAD.encode(&shifted).as_bytes()[skip..keep].to_vec());
    }
    forms.sort();
    forms.dedup();
    forms
}

#[test]
fn the_sweep_finds_a_text_in_every_form() {
    let mut sweep = Sweep::default();
    let text = "pa\"ss wörd/042";
    sweep.plant("password", text);
    let around = |inner: &str| format!("{{\"x\":\"{inner}\"}}");
    let mut hays = vec![
        text.as_bytes().to_vec(),
        serde_json::to_vec(&text).unwrap(),
        around(&hex::encode(around(text))).into_bytes(),
        around(&hex::encode_upper(text)).into_bytes(),
        format!("{:?}", text.as_bytes()).into_bytes(),
        serde_json::to_vec(&serde_json::to_string(text).unwrap()).unwrap(),
    ];
    for padding in 0..3 {
        let inner = format!("{}{text}, and more", "z".repeat(padding));
        hays.push(around(&STANDARD_NO_PAD.encode(&inner)).into_bytes());
        hays.push(around(&URL_SAFE_NO_PAD.encode(&inner)).into_bytes());
    }
    for hay in hays {
        assert_eq!(
            sweep.find(&hay).first(),
            Some(&"password"),
            "{}",
            String::from_utf8_lossy(&hay)
        );
    }
    assert!(sweep.find(b"pa\"ss word/042").is_empty());
}
