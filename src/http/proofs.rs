//! `/api/v1/proofs`: inclusion and consistency proofs. The first proof read with a token from an address is recorded,
//! once an hour.

use aggregates::Position;
use axum::http::header;
use base64::{Engine, prelude::BASE64_STANDARD};

use super::auth::{Audit, Scope};
use super::checkpoints::latest;
use super::prelude::*;
use crate::access::Read;
use ledger::leaf::Envelope;
use proof::proofs;
use store::{KeptCheckpoint, Store, StoreError};
use tlog::Hash;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(inclusion))
        .routes(routes!(file))
        .routes(routes!(consistency))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InclusionParameters {
    /// The event's position.
    position: u64,
    /// The tree: over the first so many events. The newest checkpoint's, if it is left out.
    size: Option<u64>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FileParameters {
    /// The event's position.
    position: u64,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ConsistencyParameters {
    /// The size of the earlier tree.
    from: u64,
    /// The size of the later tree. The newest checkpoint's, if it is left out.
    to: Option<u64>,
}

/// That an event is in the log (RFC 6962 §2.1.1). Hashes are in base64.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct InclusionProof {
    /// The event's position.
    position: u64,
    /// The leaf's index in the tree: one less.
    index: u64,
    /// How many events the tree covers.
    size: u64,
    /// The leaf: the exact text that is hashed.
    leaf: String,
    /// SHA-256(0x00 ‖ leaf).
    leaf_hash: String,
    /// The hashes from the leaf's sibling up to below the root.
    proof: Vec<String>,
    /// The root that they lead to.
    root_hash: String,
    /// The signed note over just this tree, if there is one.
    checkpoint: Option<String>,
}

/// That the log has only grown from one tree to another (RFC 6962 §2.1.2). Hashes are in base64.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConsistencyProof {
    /// The size of the earlier tree.
    from: u64,
    /// The size of the later tree.
    to: u64,
    /// The root of the earlier tree.
    from_root_hash: String,
    /// The root of the later tree.
    to_root_hash: String,
    /// The hashes that lead from one to the other.
    proof: Vec<String>,
}

/// Proves that an event is in the log.
#[utoipa::path(
    get, path = "/api/v1/proofs/inclusion", operation_id = "proveInclusion", tag = "proofs",
    params(InclusionParameters),
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = InclusionProof, description = "The proof."),
        (status = 404, description = "No such event.")
    )
)]
async fn inclusion(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    Query(parameters): Query<InclusionParameters>,
) -> Result<Json<InclusionProof>, Problem> {
    app.journal.read(scope.caller(), Read::Proofs).await?;
    let InclusionParameters { position, size } = parameters;
    let store = &*app.store;
    let checkpoint = match size {
        None => Some(covering(store, position).await?),
        Some(size) => {
            within(store, "position", position, size).await?;
            signed(store, size).await?
        }
    };
    let size = size
        .or(checkpoint.as_ref().map(|checkpoint| checkpoint.size))
        .unwrap_or_default();
    let proof = proofs::inclusion(store, Position(position), size).await?;
    Ok(Json(InclusionProof {
        position,
        index: position - 1,
        size,
        leaf: leaf(store, position).await?,
        leaf_hash: BASE64_STANDARD.encode(proof.leaf),
        proof: encoded(&proof.path),
        root_hash: BASE64_STANDARD.encode(proofs::root(store, size).await?),
        checkpoint: checkpoint.map(|checkpoint| checkpoint.note),
    }))
}

/// The proof that an event is under the newest checkpoint, as a file: a C2SP tlog-proof.
#[utoipa::path(
    get, path = "/api/v1/proofs/inclusion.tlog-proof", operation_id = "downloadProof", tag = "proofs",
    params(FileParameters),
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "The proof."),
        (status = 404, description = "No such event.")
    )
)]
async fn file(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    Query(FileParameters { position }): Query<FileParameters>,
) -> Result<impl IntoResponse, Problem> {
    app.journal.read(scope.caller(), Read::Proofs).await?;
    let checkpoint = covering(&*app.store, position).await?;
    let proof = proofs::inclusion(&*app.store, Position(position), checkpoint.size).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{position}.tlog-proof\""),
        ),
    ];
    Ok((headers, tlog::tlog_proof(position - 1, &proof.path, &checkpoint.note)))
}

/// Proves that one tree is the beginning of another.
#[utoipa::path(
    get, path = "/api/v1/proofs/consistency", operation_id = "proveConsistency", tag = "proofs",
    params(ConsistencyParameters),
    security(("bearer" = ["audit"])),
    responses((status = 200, body = ConsistencyProof, description = "The proof."))
)]
async fn consistency(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    Query(ConsistencyParameters { from, to }): Query<ConsistencyParameters>,
) -> Result<Json<ConsistencyProof>, Problem> {
    app.journal.read(scope.caller(), Read::Proofs).await?;
    let store = &*app.store;
    let to = match to {
        Some(to) => to,
        None => latest(store).await?.size,
    };
    let size = store.tree().await?.frontier.size();
    if to > size {
        return Err(Problem::bad_request(format!(
            "query parameter to: the log has {size} events"
        )));
    }
    if from > to {
        return Err(Problem::bad_request(format!(
            "query parameter from: is larger than the later tree, {to}"
        )));
    }
    Ok(Json(ConsistencyProof {
        from,
        to,
        from_root_hash: BASE64_STANDARD.encode(proofs::root(store, from).await?),
        to_root_hash: BASE64_STANDARD.encode(proofs::root(store, to).await?),
        proof: encoded(&proofs::consistency(store, from, to).await?),
    }))
}

/// The newest checkpoint, if it covers the position of an event.
async fn covering(store: &dyn Store, position: u64) -> Result<KeptCheckpoint, Problem> {
    let checkpoint = latest(store).await?;
    if (1..=checkpoint.size).contains(&position) {
        return Ok(checkpoint);
    }
    let size = store.tree().await?.frontier.size();
    within(store, "position", position, size).await?;
    let covered = checkpoint.size;
    Err(Problem::unavailable(format!(
        "the newest checkpoint covers the events up to {covered}; the next one follows soon"
    ))
    .retry_after(1))
}

/// Checks that the position is within `size`, and `size` within the log.
async fn within(store: &dyn Store, name: &str, position: u64, size: u64) -> Result<(), Problem> {
    let events = store.tree().await?.frontier.size();
    if size > events {
        return Err(Problem::bad_request(format!(
            "query parameter size: the log has {events} events"
        )));
    }
    if !(1..=size).contains(&position) {
        return Err(Problem::not_found(format!(
            "query parameter {name}: there is no event {position} among the first {size}"
        )));
    }
    Ok(())
}

/// The checkpoint of exactly this size, if one was signed.
async fn signed(store: &dyn Store, size: u64) -> Result<Option<KeptCheckpoint>, Problem> {
    let next = store.checkpoints((size.saturating_sub(1), i64::MAX), 1).await?;
    Ok(next.into_iter().find(|checkpoint| checkpoint.size == size))
}

/// The exact text of an event's leaf.
async fn leaf(store: &dyn Store, position: u64) -> Result<String, Problem> {
    let missing = || StoreError::Corrupt(format!("there is no event at position {position}"));
    let event = store
        .events_at(&[Position(position)])
        .await?
        .pop()
        .ok_or_else(missing)?;
    let leaf = Envelope::of_stored(&event)
        .leaf()
        .ok()
        .and_then(|leaf| String::from_utf8(leaf).ok());
    let unreadable = || StoreError::Corrupt(format!("the facts of the event at position {position}"));
    Ok(leaf.ok_or_else(unreadable)?)
}

fn encoded(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| BASE64_STANDARD.encode(hash)).collect()
}
