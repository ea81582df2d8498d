//! Request extractors, which parse at the edge. An input that cannot be read is a [`Problem`] that names it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::Json;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;
use utoipa::IntoParams;

mod range;
mod values;
mod wording;

pub(super) use range::Range;
pub(crate) use range::of_words as range_of_words;
use values::NO_NUMBER;
pub(super) use values::{DomainName, Email, Limit, Number, TimeParameter, Words, one_of};
use wording::in_our_words;

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
    /// A page that the service itself reads.
    pub(super) fn of(limit: u32, after: Option<String>) -> Self {
        Self {
            limit: Some(Limit::of(limit)),
            after,
        }
    }

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

/// A call without parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParameters {}

#[cfg(test)]
mod tests {
    use super::*;

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
}
