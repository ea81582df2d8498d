//! TOTP seeds (RFC 6238) as providers write them: base32 (RFC 4648), in any case, with or without blanks, hyphens and
//! padding; or a whole `otpauth://` address, as authenticator apps scan it, with its digits, period and algorithm.

use std::borrow::Cow;

use totp_rs::{Builder, Totp};
use url::form_urlencoded;

use aggregates::visible::{is_blank, is_invisible};
use secret::Secret;

/// The scheme of an address.
const SCHEME: &str = "otpauth://";
/// Bytes of the shortest seed: authenticator apps make such, though RFC 4226 asks for 128 bits.
const SHORTEST: usize = 10;
/// How many digits a code has (RFC 4226).
const DIGITS: std::ops::RangeInclusive<u8> = 6..=8;
/// The longest period of a code, in seconds: a day.
const LONGEST_PERIOD: u64 = 24 * 60 * 60;

/// Why there is no one-time code. Reveals nothing of the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCode {
    /// The mailbox has no known seed.
    #[error("no TOTP seed is known of this mailbox")]
    NoSeed,
    /// The seed is not base32.
    #[error(
        "the TOTP seed is not base32 (RFC 4648), so no code can be computed from it: ask the provider for a new one"
    )]
    NotBase32,
    /// The seed is too short: any word of a few letters would give codes, and wrong ones.
    #[error(
        "the TOTP seed has fewer than 80 bits (16 characters of base32), which is too short to be one: ask the provider for a new one"
    )]
    TooShort,
    /// An address of counter-based codes, or of another app's own type.
    #[error("the TOTP seed is an otpauth:// address of another type than totp, whose codes cannot be computed here")]
    NotTotp,
    /// A parameter of the address is invalid.
    #[error(
        "the TOTP seed is an otpauth:// address whose {0}, so no code can be computed from it: ask the provider for a new one"
    )]
    Address(&'static str),
}

/// The code generator of a seed.
pub(crate) fn totp(seed: &str) -> Result<Totp, NoCode> {
    let seed = seed.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    match seed.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => of_address(&seed[SCHEME.len()..]),
        _ => Ok(Builder::new().with_secret(base32(seed)?).build_noncompliant()),
    }
}

/// Source: <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>. Read leniently: only the parameters
/// that codes depend on count.
fn of_address(address: &str) -> Result<Totp, NoCode> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let kind = path.split('/').next().unwrap_or_default();
    if !kind.eq_ignore_ascii_case("totp") {
        return Err(NoCode::NotTotp);
    }
    let query = query.split('#').next().unwrap_or_default();
    let (mut builder, mut has_secret) = (Builder::new(), false);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // decoding may have copied it
        let value = match value {
            Cow::Borrowed(text) => Secret::new(text.to_owned()),
            Cow::Owned(text) => Secret::new(text),
        };
        let value = value.expose().trim();
        match name.to_ascii_lowercase().as_str() {
            "secret" if has_secret => return Err(NoCode::Address("secret is given twice")),
            "secret" if !is_blank(value) => {
                builder = builder.with_secret(base32(value)?);
                has_secret = true;
            }
            "digits" => {
                let digits = value.parse().ok().filter(|digits| DIGITS.contains(digits));
                builder = builder.with_digits(digits.ok_or(NoCode::Address("digits are not 6, 7 or 8"))?);
            }
            "period" => {
                let period = value
                    .parse()
                    .ok()
                    .filter(|period| (1..=LONGEST_PERIOD).contains(period));
                builder = builder.with_step_duration(period.ok_or(NoCode::Address("period is no number of seconds"))?);
            }
            "algorithm" => {
                let algorithm = value.replace('-', "").parse();
                let unknown = NoCode::Address("algorithm is not SHA1, SHA256 or SHA512");
                builder = builder.with_algorithm(algorithm.map_err(|_| unknown)?);
            }
            _ => {}
        }
    }
    if has_secret {
        Ok(builder.build_noncompliant())
    } else {
        Err(NoCode::Address("secret is missing"))
    }
}

fn base32(text: &str) -> Result<totp_rs::Secret, NoCode> {
    let plain = text
        .chars()
        .filter(|c| !c.is_whitespace() && !is_invisible(*c) && !matches!(c, '-' | '='));
    let mut upper = String::with_capacity(text.len());
    upper.extend(plain.map(|c| c.to_ascii_uppercase()));
    let plain = Secret::new(upper);
    let secret = totp_rs::Secret::try_from_base32(plain.expose()).ok();
    let secret = secret.filter(|secret| !secret.as_bytes().is_empty());
    let secret = secret.ok_or(NoCode::NotBase32)?;
    match secret.as_bytes().len() {
        SHORTEST.. => Ok(secret),
        _ => Err(NoCode::TooShort),
    }
}

/// Whether a seed holds no secret: it has no visible characters but hyphens and padding, or is an address with such a
/// secret.
pub(crate) fn is_blank_seed(seed: &str) -> bool {
    let is_nothing = |text: &str| {
        let is_filling = |c: char| c.is_whitespace() || is_invisible(c) || matches!(c, '-' | '=');
        text.chars().all(is_filling)
    };
    let seed = seed.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    match seed.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => {
            let query = seed.split_once('?').map_or("", |(_, query)| query);
            let query = query.split('#').next().unwrap_or_default();
            // decoding may have copied it
            let mut secrets = form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name, Secret::new(value.into_owned())))
                .filter(|(name, _)| name.eq_ignore_ascii_case("secret"));
            secrets.next().is_some_and(|(_, secret)| is_nothing(secret.expose())) && secrets.next().is_none()
        }
        _ => is_nothing(seed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(seed: &str, now: u64) -> Result<String, NoCode> {
        totp(seed).map(|totp| totp.generate(now).to_string())
    }

    #[test]
    fn an_address_is_read_with_its_digits_period_and_algorithm() {
        // RFC 6238, appendix B: the seed of SHA1 has 20 bytes, that of SHA256 32, that of SHA512 64
        let seeds = [
            ("SHA1", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", ["94287082", "07081804"]),
            (
                "sha-256",
                "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA====",
                ["46119246", "68084774"],
            ),
            (
                "SHA512",
                "gezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgna",
                ["90693936", "25091201"],
            ),
        ];
        for (algorithm, secret, codes) in seeds {
            let address = format!(
                "otpauth://totp/Google:yasmeen%40example.com?secret={secret}&issuer=Another&algorithm={algorithm}&digits=8&period=30"
            );
            for (now, expected) in [59, 1_111_111_109].into_iter().zip(codes) {
                assert_eq!(code(&address, now).as_deref(), Ok(expected), "{algorithm}");
            }
        }
        // a period of a minute: the step of second 59 at 30 s is that of second 119 at 60 s
        assert_eq!(
            code(
                "OTPAUTH://TOTP/x?period=60&secret=gezd%20gnbv+gy3t qojq-gezd gnbv gy3t qojq",
                119
            )
            .as_deref(),
            Ok("287082")
        );
        assert_eq!(
            totp("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&period=60").map(|totp| totp.next_step(61)),
            Ok(120)
        );
    }

    #[test]
    fn a_seed_that_gives_no_code_says_why() {
        for (seed, why) in [
            ("", "not base32"),
            (" \u{200b}==--", "not base32"),
            ("A", "not base32"),
            ("not a seed: 0189!", "not base32"),
            (
                "otpauth://hotp/x?secret=GEZDGNBVGY3TQOJQ&counter=1",
                "another type than totp",
            ),
            ("otpauth://totp/x", "secret is missing"),
            ("otpauth://totp/x?secret=%20", "secret is missing"),
            ("otpauth://totp/x?secret=0189", "not base32"),
            ("otpauth://totp/x?secret=GEZDGNBV", "too short"),
            ("null", "too short"),
            ("NONE", "too short"),
            ("AA", "too short"),
            (
                "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&secret=JBSWY3DPEHPK3PXP",
                "secret is given twice",
            ),
            ("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&digits=200", "digits are not"),
            ("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&period=0", "period is no"),
            (
                "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&algorithm=MD5",
                "algorithm is not",
            ),
        ] {
            let error = code(seed, 0).expect_err(seed).to_string();
            assert!(error.contains(why), "{seed:?}: {error}");
        }
        assert_eq!(code("\u{feff}jbsw y3dp-ehpk 3pxp== ", 0), code("JBSWY3DPEHPK3PXP", 0));
    }

    #[test]
    fn a_seed_without_a_secret_is_blank() {
        for blank in [
            "",
            " ",
            "====",
            "- -",
            "\u{200b}",
            "otpauth://totp/x?secret=",
            "OTPAUTH://totp/x?issuer=y&secret=%20-#z",
        ] {
            assert!(is_blank_seed(blank), "{blank:?}");
        }
        for told in [
            "AA",
            "otpauth://totp/x?secret=AA",
            "otpauth://totp/x",
            "otpauth://totp/x?secret=&secret=AA",
            "0",
        ] {
            assert!(!is_blank_seed(told), "{told:?}");
        }
    }
}
