//! Imports of nearly every resource.

pub(super) use std::sync::Arc;

pub(super) use axum::Json;
pub(super) use axum::extract::State;
pub(super) use axum::http::StatusCode;
pub(super) use axum::response::IntoResponse;
pub(super) use jiff::Timestamp;
pub(super) use serde::{Deserialize, Serialize};
pub(super) use utoipa::IntoParams;
pub(super) use utoipa_axum::router::OpenApiRouter;
pub(super) use utoipa_axum::routes;

pub(super) use super::extract::{
    Body, DomainName, Limit, NoParameters, Number, Paging, Path, Query, Range, TimeParameter, Words,
};
pub(super) use super::list::{Conditions, Page, ascending, descending};
pub(super) use super::reading::{Answer, Reading};
pub(super) use super::wanted::Wanted;
pub(super) use super::{App, Problem, documents};
