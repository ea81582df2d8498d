//! Request extractors, which parse at the edge. An input that cannot be read is a [`Problem`] that names it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use aggregates::Domain;
use axum::Json;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use projections::Value;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::auth::{Denied, believed};
use super::{App, Problem};

/// Path parameters.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value))
            .map_err(|rejection| match rejection {
                PathRejection::FailedToDeserializePathParams(error) => match error.into_kind() {
                    ErrorKind::Message(message) => {
                        let name = parameter(parts).unwrap_or("a parameter");
                        Problem::bad_request(format!("{name} in the path {message}"))
                    }
                    ErrorKind::DeserializeError { key, message, .. } => {
                        Problem::bad_request(format!("{key} in the path {message}"))
                    }
                    ErrorKind::ParseError { .. } | ErrorKind::ParseErrorAtKey { .. } => {
                        let name = parameter(parts).unwrap_or("a parameter");
                        Problem::bad_request(format!("{name} in the path {NO_NUMBER}"))
                    }
                    kind => Problem::bad_request(format!("the path cannot be read: {kind}")),
                },
                _ => Problem::internal(),
            })
    }
}

/// The name of the path's parameter; no path has more than one.
fn parameter(parts: &Parts) -> Option<&str> {
    let pattern = parts.extensions.get::<MatchedPath>()?.as_str();
    let (_, rest) = pattern.split_once('{')?;
    rest.split_once('}').map(|(name, _)| name)
}

/// The query's parameters that earlier extractors have not taken. `T` denies unknown fields, so a misspelt parameter is
/// refused.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Taken { names, rest } = Taken::of(parts);
        read_query(&rest, &names).map(Self)
    }
}

/// The parameters that extractors have taken from a query, and the rest of it.
#[derive(Clone)]
struct Taken {
    names: Vec<&'static str>,
    rest: String,
}

impl Taken {
    fn of(parts: &Parts) -> Self {
        let taken = parts.extensions.get::<Self>().cloned();
        taken.unwrap_or_else(|| Self {
            names: Vec::new(),
            rest: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

/// Takes the named parameters out of a query. Extractors of shared parameters come before the call's own [`Query`].
pub(super) fn take<T: DeserializeOwned>(parts: &mut Parts, names: &[&'static str]) -> Result<T, Problem> {
    let taken = Taken::of(parts);
    let is_own = |pair: &&str| {
        let name = url::form_urlencoded::parse(pair.as_bytes()).next();
        name.is_some_and(|(name, _)| names.contains(&&*name))
    };
    let (own, rest): (Vec<&str>, Vec<&str>) = taken.rest.split('&').partition(is_own);
    let value = read_query(&own.join("&"), &[]);
    let rest = rest.join("&");
    let names = [&taken.names[..], names].concat();
    parts.extensions.insert(Taken { names, rest });
    value
}

/// Makes an extractor of query parameters that several calls share. It comes before the [`Query`] of a call.
macro_rules! taken {
    ($type:ty: $($name:literal),+) => {
        impl<S: Send + Sync> axum::extract::FromRequestParts<S> for $type {
            type Rejection = $crate::http::Problem;

            async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
                $crate::http::extract::take(parts, &[$($name),+])
            }
        }
    };
}
pub(super) use taken;

/// Parses the parameters of a query; an error about an unknown one also lists `beside`.
fn read_query<T: DeserializeOwned>(query: &str, beside: &[&str]) -> Result<T, Problem> {
    let uri = Uri::builder().path_and_query(format!("/?{query}")).build();
    // cannot fail: the query is part of a URI
    let uri = uri.map_err(|_| Problem::internal())?;
    let axum::extract::Query(value) = axum::extract::Query::try_from_uri(&uri).map_err(|rejection| {
        let text = rejection.body_text();
        let cause = text
            .strip_prefix("Failed to deserialize query string: ")
            .unwrap_or(&text);
        let mut told = in_our_words(cause);
        let beside: Vec<String> = beside.iter().map(|name| format!("`{name}`")).collect();
        if !beside.is_empty() && told.contains("is unknown; known are ") {
            told = format!("{told}, {}", beside.join(", "));
        } else if let (Some(unknown), false) = (told.strip_suffix(": there are none here"), beside.is_empty()) {
            told = format!("{unknown}; known are {}", beside.join(", "));
        }
        Problem::bad_request(format!("the query parameter {told}"))
    })?;
    Ok(value)
}

/// Which page of a list is wanted. It stands before the [`Query`] of a call.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 50)]
    pub(super) limit: Option<Limit>,
    /// The `next` of the page before.
    pub(super) after: Option<String>,
}

impl Paging {
    /// The most items on a page.
    pub(super) fn limit(&self) -> u32 {
        self.limit.unwrap_or_default().get()
    }

    /// The cursor of the page before.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }
}

taken!(Paging: "limit", "after");

/// A JSON body. `T` denies unknown fields.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Denied;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Denied> {
        let Sent(body) = Sent::from_request(request, app).await?;
        body.map(|Json(value)| Self(value))
            .map_err(|rejection| refused_body(rejection).into())
    }
}

/// A JSON body, or why it was refused. After a slow body the token is checked again.
pub(super) struct Sent<T>(pub(super) Result<Json<T>, JsonRejection>);

impl<T: DeserializeOwned + Send> FromRequest<Arc<App>> for Sent<T> {
    type Rejection = Denied;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Denied> {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        let mut kept = parts.clone();
        let body = Json::<OnlyObject<T>>::from_request(Request::from_parts(parts, body), app).await;
        believed(begun, &mut kept, app).await?;
        Ok(Self(body.map(|Json(OnlyObject(value))| Json(value))))
    }
}

/// A JSON object. An array of the fields' values, which serde accepts too, is refused.
struct OnlyObject<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OnlyObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Object(PhantomData)).map(Self)
    }
}

/// A body that could not be read. JSON of another shape is a bad request.
pub(super) fn refused_body(rejection: JsonRejection) -> Problem {
    let text = rejection.body_text();
    // the library puts its own words before the first colon
    let cause = in_our_words(text.split_once(": ").map_or(text.as_str(), |(_, cause)| cause));
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            let detail = "the Content-Type header has to be application/json";
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
        }
        JsonRejection::JsonDataError(_) => {
            Problem::bad_request(format!("the JSON body is not what this call takes: {cause}"))
        }
        JsonRejection::JsonSyntaxError(_) => Problem::bad_request(format!("the body is not valid JSON: {cause}")),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 2 MiB")
        }
        _ => Problem::bad_request("the body could not be read to its end"),
    }
}

/// The error for a parameter that is not a number.
const NO_NUMBER: &str = "has to be a number from 0 on: a position is one, an event's id is not";

/// Rewords a library's reasons for refusing a number; others are unchanged.
fn in_our_words(cause: &str) -> String {
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

/// A call without parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParameters {}

/// The most items on a page: 1 to 500.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Limit(u32);

impl Limit {
    const MAX: u32 = 500;

    /// The number.
    pub(super) fn get(self) -> u32 {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let limit = text.parse().ok().filter(|limit| (1..=Self::MAX).contains(limit));
        limit
            .map(Self)
            .ok_or_else(|| format!("has to be a whole number from 1 to {}", Self::MAX))
    }
}

/// A number from 0 on, such as a position.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Number(pub(super) u64);

impl TryFrom<String> for Number {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let number = text.parse().map_err(|_| "has to be a position: a number from 0 on");
        number.map(Self)
    }
}

/// A time, or the start of a day in UTC. Years 0 to 9999: what both stores can compare.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TimeParameter(pub(super) Timestamp);

impl TryFrom<String> for TimeParameter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let in_range = |year| (0..=9999).contains(&year);
        let day = || {
            let day = text.parse::<Date>().ok().filter(|_| text.len() == "2025-01-31".len())?;
            // the last days of the calendar, which people write for "ever", are beyond the last timestamp
            let start = Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX);
            in_range(day.year()).then_some(start)
        };
        let time = text.parse::<Timestamp>().ok();
        time.filter(|time| in_range(Offset::UTC.to_datetime(*time).year()))
            .or_else(day)
            .map(Self)
            .ok_or_else(|| {
                let plus = if text.contains(' ') { " (write + as %2B)" } else { "" };
                format!("has to be an RFC 3339 time, e.g. 2025-10-27T19:59:17Z{plus}, or a date, e.g. 2025-10-27")
            })
    }
}

/// A domain name, normalised.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct DomainName(pub(super) Domain);

impl TryFrom<String> for DomainName {
    type Error = aggregates::IdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Domain::normalise(&text).map(Self)
    }
}

impl From<DomainName> for Value {
    fn from(name: DomainName) -> Self {
        Self::Text(name.0.into())
    }
}

/// Text to be compared with the provider's.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Words(pub(super) String);

impl TryFrom<String> for Words {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text {
            text if text.is_empty() => Err("is empty"),
            text if text.contains('\0') => Err("holds a character that is not allowed"),
            text => Ok(Self(text)),
        }
    }
}

impl From<Words> for Value {
    fn from(words: Words) -> Self {
        Self::Text(words.0)
    }
}

/// The schema of an enumerated word, for the document. It carries the description, since utoipa drops a field's own
/// where its schema is given by hand.
pub(super) fn one_of(description: &str, words: &[&'static str]) -> Object {
    ObjectBuilder::new()
        .description(Some(description))
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(words.iter().copied()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<String> {
        let moment = TimeParameter::try_from(text.to_owned()).ok();
        moment.map(|moment| moment.0.to_string())
    }

    #[test]
    fn a_moment_is_a_time_or_the_start_of_a_day_in_utc() {
        let midnight = Some("2025-10-27T00:00:00Z".to_owned());
        assert_eq!(moment("2025-10-27"), midnight);
        assert_eq!(moment("2025-10-27T02:00:00+02:00"), midnight);
        assert!(moment("9999-12-31").is_some());
        for bad in [
            "",
            "27.10.2025",
            "2025-10-27T00:00:00",
            "2025-13-01",
            "-000001-01-01",
            "20251027",
        ] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }

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

    #[tokio::test]
    async fn extractors_share_a_query_and_an_unknown_parameter_is_told_of_all() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Own {
            key: Option<String>,
        }
        async fn read(query: &str) -> Result<(Option<u32>, Option<String>, Option<String>), String> {
            let told = |problem: Problem| serde_json::json!(problem)["detail"].to_string();
            let request = Request::get(format!("/?{query}")).body(axum::body::Body::empty());
            let (mut parts, _) = request.expect("a request").into_parts();
            let page = Paging::from_request_parts(&mut parts, &()).await.map_err(told)?;
            let Query(own) = Query::<Own>::from_request_parts(&mut parts, &()).await.map_err(told)?;
            Ok((page.limit.map(Limit::get), page.after, own.key))
        }
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(read("").await, Ok((None, None, None)));
        assert_eq!(
            read("key=a%26b&limi%74=7&after=x+y").await,
            Ok((Some(7), text("x y"), text("a&b")))
        );
        for (query, words) in [
            ("limit=7&kye=a", "`kye` is unknown; known are `key`, `limit`, `after`"),
            ("limit=7&limit=8", "`limit` is given twice"),
            ("key=a&key=b", "`key` is given twice"),
            ("limit=501", "limit: has to be a whole number from 1 to 500"),
        ] {
            let told = read(query).await.expect_err(query);
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_limit_is_from_1_to_500() {
        assert_eq!(Limit::default().get(), 50);
        let limit = |text: &str| Limit::try_from(text.to_owned()).map(Limit::get).ok();
        assert_eq!(["0", "501", "", "x", "99999999999"].map(limit), [None; 5]);
        assert_eq!(limit("500"), Some(500));
    }
}
