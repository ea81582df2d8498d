//! Whether two JSON texts have the same content as written: the order of fields, white space and escapes do not count;
//! everything else does. Differences that parsing would hide (digits beyond a float's precision, duplicate fields)
//! count. Copies nothing but field names: the texts may hold credentials.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::content;
use secret::Secret;

/// How deep two texts are compared, as deep as serde_json reads; deeper ones count as different.
const DEPTH: usize = 128;

/// Whether they have the same content; false if one of them is not JSON.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    if one == other {
        return true;
    }
    // one may be compressed and the other not
    let (Ok(one), Ok(other)) = (content::of(one), content::of(other)) else {
        return false;
    };
    let read = serde_json::from_slice::<&RawValue>;
    *one == *other || read(&one).is_ok_and(|one| read(&other).is_ok_and(|other| same_value(one, other, DEPTH)))
}

fn same_value(one: &RawValue, other: &RawValue, depth: usize) -> bool {
    let (one, other) = (one.get(), other.get());
    if one == other {
        return true;
    }
    if depth == 0 {
        return false;
    }
    match (one.as_bytes().first(), other.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => both::<Fields<'_>>(one, other).is_some_and(|(Fields(one), Fields(other))| {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(&other)
                    .all(|((name, one), (other_name, other))| name == other_name && same_value(one, other, depth - 1))
        }),
        (Some(b'['), Some(b'[')) => both::<Vec<&RawValue>>(one, other).is_some_and(|(one, other)| {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(&other)
                    .all(|(one, other)| same_value(one, other, depth - 1))
        }),
        (Some(b'"'), Some(b'"')) => {
            both::<Secret<String>>(one, other).is_some_and(|(one, other)| one.expose() == other.expose())
        }
        // a number, true, false or null counts as written
        _ => false,
    }
}

fn both<'a, T: Deserialize<'a>>(one: &'a str, other: &'a str) -> Option<(T, T)> {
    Some((serde_json::from_str(one).ok()?, serde_json::from_str(other).ok()?))
}

/// An object's fields, without duplicates.
struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if fields.insert(name, value).is_some() {
                        return Err(A::Error::custom("a field is named twice"));
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

#[cfg(test)]
mod tests {
    use super::same;

    fn says_the_same(one: &str, other: &str) -> bool {
        assert_eq!(
            same(one.as_bytes(), other.as_bytes()),
            same(other.as_bytes(), one.as_bytes())
        );
        same(one.as_bytes(), other.as_bytes())
    }

    #[test]
    fn white_space_escapes_and_the_order_of_fields_say_nothing() {
        assert!(says_the_same(
            r#"{"a":["b c",1.50],"ü":null}"#,
            "{ \"\\u00fc\": null,\r\n\t\"a\" :[\"b\\u0020c\", 1.50] }\n"
        ));
        assert!(says_the_same("not JSON", "not JSON"));
    }

    #[test]
    fn everything_else_says_something() {
        for (one, other) in [
            (r#"{"a":"b c"}"#, r#"{"a":"bc"}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":3,"a":2}"#),
            (r#"{"a":0.1}"#, r#"{"a":0.10000000000000000001}"#),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            ("{} ", "{}x"),
        ] {
            assert!(!says_the_same(one, other), "{one} {other}");
        }
        let deep = |space: &str| format!("{}{space}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(!says_the_same(&deep(""), &deep(" ")));
    }
}
