//! `/checkpoint`, `/api/v1/checkpoints`, `/api/v1/signing-keys`: signed checkpoints, and the keys that signed them.

use axum::http::header;
use base64::{Engine, prelude::BASE64_STANDARD};

use super::auth::{Audit, Scope};
use super::list::{cut, not_a_cursor};
use super::prelude::*;
use store::{KeptCheckpoint, Store};
use tlog::NoteVerifier;

/// Apart from the `/api/…` routes: the caller may cache the checkpoint for a moment; shared caches may not.
pub(super) fn log_router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(newest))
}

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(keys))
}

/// The newest signed checkpoint.
pub(super) async fn latest(store: &dyn Store) -> Result<KeptCheckpoint, Problem> {
    let none = || Problem::unavailable("no checkpoint is signed yet").retry_after(1);
    store.latest_checkpoint().await?.ok_or_else(none)
}

/// The newest signed checkpoint: a C2SP tlog-checkpoint.
#[utoipa::path(
    get, path = "/checkpoint", operation_id = "getCheckpoint", tag = "proofs",
    security(("bearer" = ["audit"])),
    responses((status = 200, body = String, content_type = "text/plain", description = "The signed note."))
)]
async fn newest(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<impl IntoResponse, Problem> {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    Ok((headers, latest(&*app.store).await?.note))
}

/// A checkpoint that the log has signed.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct CheckpointItem {
    /// Its number, in the order of signing.
    id: i64,
    /// How many events it covers.
    size: u64,
    /// The root of their tree, in base64.
    root_hash: String,
    /// When it was signed.
    created_at: Timestamp,
    /// The signed note.
    note: String,
}

/// Every checkpoint that the log has signed, by the number of events that it covers.
#[utoipa::path(
    get, path = "/api/v1/checkpoints", operation_id = "listCheckpoints", tag = "proofs",
    params(Paging),
    security(("bearer" = ["audit"])),
    responses((status = 200, body = Page<CheckpointItem>, description = "A page of checkpoints."))
)]
async fn list(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    page: Paging,
    _: Query<NoParameters>,
) -> Result<Json<Page<CheckpointItem>>, Problem> {
    let after = match page.after() {
        None => (0, i64::MIN),
        Some(cursor) => read(cursor).ok_or_else(not_a_cursor)?,
    };
    let limit = page.limit();
    let mut kept = app.store.checkpoints(after, limit + 1).await?;
    let last = cut(&mut kept, limit);
    Ok(Json(Page {
        next: last.map(|last| format!("{}-{}", last.size, last.id)),
        items: kept.into_iter().map(item).collect(),
    }))
}

fn read(cursor: &str) -> Option<(u64, i64)> {
    let (size, id) = cursor.split_once('-')?;
    Some((size.parse().ok()?, id.parse().ok()?))
}

fn item(kept: KeptCheckpoint) -> CheckpointItem {
    CheckpointItem {
        id: kept.id,
        size: kept.size,
        root_hash: BASE64_STANDARD.encode(kept.root),
        created_at: kept.created_at,
        note: kept.note,
    }
}

/// A public key of the log.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct SigningKey {
    /// `NAME+HASH+KEY`, as C2SP signed-note has it.
    verifier: String,
    /// The bare Ed25519 public key (RFC 8032), in base64.
    public_key: String,
    /// Since when it was the one that signs.
    created_at: Timestamp,
    /// Whether it still is.
    current: bool,
}

/// The public keys that the log has signed with, oldest first; all on one page.
#[utoipa::path(
    get, path = "/api/v1/signing-keys", operation_id = "listSigningKeys", tag = "proofs",
    security(("bearer" = ["audit"])),
    responses((status = 200, body = Page<SigningKey>, description = "The keys."))
)]
async fn keys(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Json<Page<SigningKey>>, Problem> {
    let kept = app.store.signing_keys().await?;
    let last = kept.len().saturating_sub(1);
    let keys = kept.into_iter().enumerate().map(|(place, kept)| {
        let key = NoteVerifier::parse(&kept.verifier).map_err(|error| {
            tracing::error!(%error, key = kept.verifier, "a public key of the log cannot be read");
            Problem::internal()
        })?;
        Ok(SigningKey {
            public_key: BASE64_STANDARD.encode(key.public_key()),
            verifier: kept.verifier,
            created_at: kept.created_at,
            current: place == last,
        })
    });
    Ok(Json(Page {
        items: keys.collect::<Result<_, Problem>>()?,
        next: None,
    }))
}
