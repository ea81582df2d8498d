//! Which state of the views a request asks for, in its query and its headers.

use aggregates::Position;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::extract::take;
use super::problem::POSITION;
use super::{App, Problem};
use runner::{AsOfPoint, Moment, NotYet};

/// A moment in a query.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AsOf(pub(super) Moment);

impl TryFrom<String> for AsOf {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let moment = text.parse().map(Self);
        moment.map_err(|error| format!("is no moment: {error} (write + as %2B)"))
    }
}

impl AsOf {
    /// The moment's place in the log; an error names the `parameter`.
    pub(super) async fn as_of_point(self, app: &App, parameter: &str) -> Result<AsOfPoint, Problem> {
        let instant = runner::as_of_point(&*app.store, self.0).await;
        instant.map_err(|error| match error {
            NotYet::Store(error) => error.into(),
            future => Problem::bad_request(format!("query parameter {parameter}: {future}")),
        })
    }
}

/// Which state of the views is asked for, in the query.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct When {
    /// The answer as it stood then: after the event at a position, or after all that was recorded until an RFC 3339
    /// time or the start of a day (UTC). A moment to come is refused.
    #[param(value_type = Option<String>, example = "2025-11-01T00:00:00Z")]
    as_of: Option<AsOf>,
    /// The position that the answer has to include, e.g. that of a webhook's receipt: waited for, at most 5 seconds.
    /// Not together with `asOf`.
    at_least: Option<u64>,
}

/// The header that asks for the same as `atLeast`. Beside `asOf` it says nothing.
#[derive(Clone, Copy, Default, IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct AtLeast {
    /// The same as `atLeast`, for clients that send on the newest position that they were told; of both, the greater
    /// counts. Beside `asOf` it says nothing.
    #[param(rename = "Warmledger-Position")]
    position: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for AtLeast {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(POSITION) else {
            return Ok(Self::default());
        };
        let position = value.to_str().ok().and_then(|text| text.parse().ok());
        let position = position.ok_or_else(|| Problem::bad_request("header Warmledger-Position: is not a position"))?;
        Ok(Self {
            position: Some(position),
        })
    }
}

/// The state of the views that a request asks for. It comes before the [`Query`](super::extract::Query) of a call.
pub(super) struct Wanted {
    pub(super) as_of: Option<AsOf>,
    pub(super) at_least: Option<Position>,
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let header = AtLeast::from_request_parts(parts, state).await?;
        let When { as_of, at_least } = take(parts, &["asOf", "atLeast"])?;
        Self::new(as_of, at_least, header)
    }
}

impl IntoParams for Wanted {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let query = When::into_params(|| Some(ParameterIn::Query));
        [query, AtLeast::into_params(|| Some(ParameterIn::Header))].concat()
    }
}

impl Wanted {
    /// From a call's parameters and header.
    pub(super) fn new(as_of: Option<AsOf>, at_least: Option<u64>, header: AtLeast) -> Result<Self, Problem> {
        if as_of.is_some() && at_least.is_some() {
            let detail =
                "query parameter atLeast: an answer as of an earlier moment cannot be waited for; send asOf alone";
            return Err(Problem::bad_request(detail));
        }
        Ok(Self {
            as_of,
            at_least: at_least.max(header.position).map(Position),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_parameter_and_header_the_greater_counts_and_beside_a_moment_only_the_header_may_stand() {
        let header = |position| AtLeast { position };
        let at_least = |query, position| Wanted::new(None, query, header(position)).unwrap().at_least;
        assert_eq!(at_least(Some(3), Some(5)), Some(Position(5)));
        assert_eq!(at_least(Some(5), None), Some(Position(5)));
        assert_eq!(at_least(None, None), None);
        let moment = AsOf::try_from("7".to_owned()).ok();
        assert!(Wanted::new(moment, Some(3), header(None)).is_err());
        assert!(Wanted::new(moment, None, header(Some(3))).is_ok());
    }
}
