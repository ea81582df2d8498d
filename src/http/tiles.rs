//! `/tile/…`: the Merkle tree as static resources, <https://c2sp.org/tlog-tiles>.

use axum::http::header;

use super::auth::{Audit, Scope};
use super::prelude::*;
use crate::access::Read;
use ledger::leaf::leaf_of_row;
use store::{Store, StoreError};
use tlog::{TILE_HEIGHT, TILE_WIDTH, Tile, TileKind};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(entries)).routes(routes!(hashes))
}

/// A tile never changes, so a caller with a token may cache it for ever.
fn forever(bytes: Vec<u8>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    (headers, bytes)
}

fn no_such_tile() -> Problem {
    Problem::not_found("there is no such tile: GET /checkpoint tells how many events the tree has")
}

/// The cells of a tile that the tree has by now.
async fn cells(store: &dyn Store, level: u8, tile: &Tile) -> Result<std::ops::Range<u64>, Problem> {
    let size = store.tree().await?.frontier.size();
    let row = size
        .checked_shr(u32::from(level) * u32::from(TILE_HEIGHT))
        .unwrap_or_default();
    let first = tile.index.checked_mul(TILE_WIDTH).ok_or_else(no_such_tile)?;
    let end = first.checked_add(tile.width.into()).filter(|end| *end <= row);
    Ok(first..end.ok_or_else(no_such_tile)?)
}

/// A tile of the Merkle tree: 32 bytes for each hash.
///
/// At level 0 are the hashes of the events' leaves, above it the roots of full tiles of the level below.
#[utoipa::path(
    get, path = "/tile/{level}/{*tile}", operation_id = "getTile", tag = "proofs",
    params(
        ("level" = u8, Path, description = "The level, 0 to 63."),
        ("tile" = String, Path, description = "The tile's number, e.g. `x001/x234/067`, with `.p/<width>` if it is not full.")
    ),
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = String, content_type = "application/octet-stream", description = "The hashes."),
        (status = 404, description = "No such tile.")
    )
)]
async fn hashes(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    Path((level, path)): Path<(String, String)>,
    _: Query<NoParameters>,
) -> Result<impl IntoResponse, Problem> {
    let number = level.parse::<u8>().ok();
    // only one way to write a level is accepted
    let level = number
        .filter(|number| *number < 64 && number.to_string() == level)
        .ok_or_else(no_such_tile)?;
    let tile = Tile::parse(TileKind::Hashes(level), &path).ok_or_else(no_such_tile)?;
    let cells = cells(&*app.store, level, &tile).await?;
    let hashes = app.store.tree_hashes(level, cells.clone()).await?;
    if hashes.len() as u64 != cells.end - cells.start {
        return Err(StoreError::Corrupt(format!("{tile} lacks hashes")).into());
    }
    Ok(forever(hashes.concat()))
}

/// The leaves of 256 events, each behind its length in two bytes.
///
/// A leaf is the event's canonical JSON, with SHA-256 of each sealed section in place of the section. The format has no room
/// for a leaf of more than 65,535 bytes: a bundle that holds one is not found, and
/// `/api/v1/proofs/inclusion` has each of its leaves.
#[utoipa::path(
    get, path = "/tile/entries/{*tile}", operation_id = "getEntryBundle", tag = "proofs",
    params(("tile" = String, Path, description = "The bundle's number, as of a tile.")),
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = String, content_type = "application/octet-stream", description = "The leaves."),
        (status = 404, description = "No such bundle.")
    )
)]
async fn entries(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    _: Query<NoParameters>,
) -> Result<impl IntoResponse, Problem> {
    let tile = Tile::parse(TileKind::Entries, &path).ok_or_else(no_such_tile)?;
    app.journal.read(scope.caller(), Read::Proofs).await?;
    let cells = cells(&*app.store, 0, &tile).await?;
    let mut bundle = Vec::new();
    let mut trouble = None;
    let positions = signed(cells.start + 1)..signed(cells.end + 1);
    app.store
        .scan(positions, &mut |row| {
            let leaf = leaf_of_row(&row).map_err(|error| {
                let error = StoreError::Corrupt(format!("the event at position {}: {error}", row.position));
                Problem::from(error)
            });
            let entry = leaf.and_then(|leaf| match u16::try_from(leaf.len()) {
                Ok(length) => Ok((length, leaf)),
                Err(_) => Err(Problem::not_found(format!(
                    "the leaf of the event at position {} has {} bytes, more than an entry bundle can hold; \
                     GET /api/v1/proofs/inclusion?position={} has it",
                    row.position,
                    leaf.len(),
                    row.position
                ))),
            });
            match entry {
                Ok((length, leaf)) => {
                    bundle.extend(length.to_be_bytes());
                    bundle.extend(leaf);
                }
                Err(problem) => drop(trouble.get_or_insert(problem)),
            }
        })
        .await?;
    match trouble {
        Some(problem) => Err(problem),
        None => Ok(forever(bundle)),
    }
}

fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
