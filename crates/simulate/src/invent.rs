//! Plausible names, identifiers and credentials. All are made up.

use std::collections::HashSet;
use std::time::Duration;

use aggregates::Domain;
use rand::RngExt;
use rand::rngs::StdRng;

/// Crockford's base 32: digits and capitals without I, L, O and U.
const ID_LETTERS: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ID_CHARS: usize = 28;
const PASSWORD_LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789$$$$!#%&*+@";
const PASSWORD_CHARS: usize = 14;
const LOWER_CASE: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
/// The letters of RFC 4648's base 32, in lower case as the provider writes a TOTP seed.
const TOTP_LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";

const FIRST_NAMES: &[&str] = &[
    "Aisha", "Amelia", "Anton", "Beatrice", "Carlos", "Chloe", "Daniel", "Elena", "Emma", "Farid", "Grace", "Hannah",
    "Henry", "Ines", "Isaac", "James", "Julia", "Kenji", "Lena", "Liam", "Lucas", "Maria", "Mike", "Nadia", "Noah",
    "Olivia", "Omar", "Paula", "Priya", "Quentin", "Rosa", "Samuel", "Sofia", "Tariq", "Theo", "Uma", "Victor",
    "Wendy", "Yasmeen", "Yvonne", "Zoe",
];
const LAST_NAMES: &[&str] = &[
    "Adler", "Baker", "Bennett", "Carter", "Chen", "Costa", "Diaz", "Evans", "Fischer", "Foster", "Garcia", "Hayes",
    "Hughes", "Ivanova", "Jensen", "Kim", "King", "Lesch", "Lopez", "Martin", "Meyer", "Miller", "Moreau", "Nguyen",
    "Novak", "Okafor", "Parker", "Patel", "Quinn", "Reed", "Rossi", "Sanders", "Schmidt", "Silva", "Tanaka", "Turner",
    "Vogel", "Walker", "Weber", "Young",
];
const DOMAIN_STARTS: &[&str] = &[
    "get", "try", "go", "meet", "use", "with", "join", "hello", "team", "my", "ask", "the", "run", "grow", "bright",
    "north", "clear", "swift", "prime", "blue",
];
const DOMAIN_ENDS: &[&str] = &[
    "acorn",
    "atlas",
    "beacon",
    "canopy",
    "cedar",
    "cobalt",
    "compass",
    "delta",
    "ember",
    "fjord",
    "harbor",
    "horizon",
    "juniper",
    "lantern",
    "ledger",
    "maple",
    "meridian",
    "northwind",
    "orbit",
    "pixel",
    "quarry",
    "ridge",
    "signal",
    "summit",
    "tandem",
    "trellis",
    "vertex",
    "willow",
];
const TOP_LEVELS: &[&str] = &["com", "com", "com", "co", "io", "net", "info", "agency"];

fn letters(rng: &mut StdRng, alphabet: &[u8], count: usize) -> String {
    (0..count)
        .map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())]))
        .collect()
}

/// Four groups of four letters.
fn groups(rng: &mut StdRng, alphabet: &[u8]) -> String {
    let groups: [String; 4] = std::array::from_fn(|_| letters(rng, alphabet, 4));
    groups.join(" ")
}

/// A random element; no list here is empty.
pub(super) fn one_of<T: Copy>(rng: &mut StdRng, list: &[T]) -> T {
    list[rng.random_range(0..list.len())]
}

/// An identifier in the provider's form.
pub(super) fn id<T: TryFrom<String>>(rng: &mut StdRng) -> T {
    match T::try_from(letters(rng, ID_LETTERS, ID_CHARS)) {
        Ok(id) => id,
        Err(_) => unreachable!("28 letters and digits are an identifier of every kind"),
    }
}

/// A person's first and last name.
pub(super) fn person(rng: &mut StdRng) -> (&'static str, &'static str) {
    (one_of(rng, FIRST_NAMES), one_of(rng, LAST_NAMES))
}

/// A domain name that is not taken yet; it is added to the taken ones.
pub(super) fn domain(rng: &mut StdRng, taken: &mut HashSet<String>) -> Domain {
    let (start, end, top) = (
        one_of(rng, DOMAIN_STARTS),
        one_of(rng, DOMAIN_ENDS),
        one_of(rng, TOP_LEVELS),
    );
    let mut name = format!("{start}{end}.{top}");
    while !taken.insert(name.clone()) {
        name = format!("{start}{end}{}.{top}", rng.random_range(2..1_000_000));
    }
    match Domain::try_from(name) {
        Ok(domain) => domain,
        Err(_) => unreachable!("small letters, digits and a dot are a domain name"),
    }
}

pub(super) fn password(rng: &mut StdRng) -> String {
    letters(rng, PASSWORD_LETTERS, PASSWORD_CHARS)
}

pub(super) fn app_password(rng: &mut StdRng) -> String {
    groups(rng, LOWER_CASE)
}

/// The seed of an authenticator's time-based passwords (RFC 6238), in base 32.
pub(super) fn totp_seed(rng: &mut StdRng) -> String {
    groups(rng, TOTP_LETTERS)
}

/// The address of a picture.
pub(super) fn picture(rng: &mut StdRng, (first, last): (&str, &str)) -> String {
    let taken_at: u64 = rng.random_range(1_756_000_000_000..1_757_000_000_000);
    format!("https://cdn.zapmail.ai/mailboxes/{first}-{last}-default-{taken_at}.jpg")
}

/// A duration between two numbers of seconds, in whole milliseconds.
pub(super) fn between(rng: &mut StdRng, least: u64, most: u64) -> Duration {
    Duration::from_millis(rng.random_range(least * 1000..=most * 1000))
}
