//! The `Accept` header (RFC 9110 §12.5.1): a call that can answer with none of the accepted media types is refused.

use std::collections::HashMap;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode, header};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, RefOr};

use super::Problem;

/// The media types that each call answers with, by method and route, from the OpenAPI document.
#[derive(Default)]
pub(super) struct Offers(HashMap<(Method, String), Vec<String>>);

impl Offers {
    /// From a document with the routes as its paths. Webhooks are left out, so as to be recorded whatever their sender
    /// accepts.
    pub(super) fn of(document: &OpenApi) -> Self {
        let mut offers = HashMap::new();
        for (path, item) in &document.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                let Some(operation) = operation.as_ref().filter(|_| !path.starts_with("/webhooks/")) else {
                    continue;
                };
                offers.insert((method, path.clone()), offered(operation));
            }
        }
        Self(offers)
    }

    /// Why a request is refused that accepts none of its call's media types.
    pub(super) fn refuse(&self, request: &Request) -> Option<Problem> {
        let mut accepted = request.headers().get_all(header::ACCEPT).iter().peekable();
        accepted.peek()?;
        let route = request.extensions().get::<MatchedPath>()?.as_str().to_owned();
        let method = match request.method() {
            &Method::HEAD => Method::GET,
            other => other.clone(),
        };
        let offered = self.0.get(&(method, route)).filter(|offered| !offered.is_empty())?;
        let ranges: Vec<&str> = accepted
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        if offered
            .iter()
            .any(|media| ranges.iter().any(|range| takes(range, media)))
        {
            return None;
        }
        let detail = format!(
            "this call answers with {}: name that or */* in the Accept header, or leave the header out",
            offered.join(" or ")
        );
        Some(Problem::new(StatusCode::NOT_ACCEPTABLE, detail))
    }
}

/// The media types of an operation's successful answers.
fn offered(operation: &Operation) -> Vec<String> {
    let answers = operation.responses.responses.iter();
    let good = answers.filter(|(status, _)| status.starts_with('2'));
    let contents = good.filter_map(|(_, answer)| match answer {
        RefOr::T(answer) => Some(answer.content.keys().cloned()),
        RefOr::Ref(_) => None,
    });
    contents.flatten().collect()
}

/// Whether a range of an Accept header, such as `text/*;q=0.5`, covers a media type.
fn takes(range: &str, media: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let refused = weight.is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0));
    let whole = |range: &str| {
        range
            .strip_suffix("/*")
            .map(|kind| kind == "*" || media.split('/').next() == Some(kind))
    };
    !refused && whole(range).unwrap_or_else(|| range.eq_ignore_ascii_case(media))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_takes_what_it_names() {
        for range in [
            "*/*",
            "application/*",
            "Application/JSON",
            " application/json; charset=utf-8",
            "*/*;q=0.1",
        ] {
            assert!(takes(range, "application/json"), "{range}");
        }
        for range in [
            "",
            "text/*",
            "application/xml",
            "application/json;q=0",
            "*/*; q=0.0",
            "*",
        ] {
            assert!(!takes(range, "application/json"), "{range}");
        }
    }
}
