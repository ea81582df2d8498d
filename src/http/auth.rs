//! Who may call: `Authorization: Bearer <token>`, one scope a route.
//!
//! A route names its scope by its first parameter, e.g. `_: Scope<Read>`. Today there is one token, the admin's, which
//! has every scope.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{App, Problem};

/// Reading what the projections tell.
pub(super) struct Read;
/// Reading the events themselves.
pub(super) struct Audit;
/// Looking after the service.
pub(super) struct Operate;

/// The caller may do what the scope `S` allows.
pub(super) struct Scope<S>(PhantomData<S>);

impl<S> FromRequestParts<Arc<App>> for Scope<S> {
    type Rejection = Unauthenticated;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Unauthenticated> {
        let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (headers.next(), headers.next()) else {
            return Err(Unauthenticated("send `Authorization: Bearer <token>`"));
        };
        let token = value.to_str().ok().and_then(bearer);
        let token = token.ok_or(Unauthenticated("the Authorization header has to be `Bearer <token>`"))?;
        if is_same(token, app.admin_token.expose()) {
            Ok(Self(PhantomData))
        } else {
            Err(Unauthenticated("the token is not known"))
        }
    }
}

/// The token of a header's value. The scheme's name is not case-sensitive (RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Compares hashes in constant time: neither the length nor a common start of the token shows.
fn is_same(given: &str, wanted: &str) -> bool {
    Sha256::digest(given).ct_eq(&Sha256::digest(wanted)).into()
}

/// No token, or not a good one.
pub(super) struct Unauthenticated(&'static str);

impl IntoResponse for Unauthenticated {
    fn into_response(self) -> Response {
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, self.0).into_response();
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_behind_the_word_bearer_in_any_case() {
        assert_eq!(bearer("Bearer wl_1"), Some("wl_1"));
        assert_eq!(bearer("bearer  wl_1"), Some("wl_1"));
        assert_eq!(bearer("Basic wl_1"), None);
        assert_eq!(bearer("Bearer "), None);
        assert_eq!(bearer("wl_1"), None);
    }

    #[test]
    fn only_the_very_token_is_the_same() {
        assert!(is_same("wl_1", "wl_1"));
        assert!(!is_same("wl_", "wl_1"));
        assert!(!is_same("", "wl_1"));
    }
}
