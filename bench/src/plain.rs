//! The peer: a plain service that a good engineer writes in an afternoon. It checks the signature as we do, parses the
//! JSON, and inserts one row per request; the answer follows the commit.
//!
//! With `--together` it shows the gain of shared commits alone: one statement inserts all queued webhooks.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use clap::Args;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::{Semaphore, mpsc, oneshot};
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, Verifier};

use crate::{child, payloads};

const TABLE: &str = "CREATE TABLE webhooks (
    event_id    text        NOT NULL UNIQUE,
    order_id    text        NOT NULL,
    type        text        NOT NULL,
    body        jsonb       NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
)";
const INSERT: &str = "INSERT INTO webhooks (event_id, order_id, type, body) VALUES ($1, $2, $3, $4::jsonb)
    ON CONFLICT DO NOTHING";
const INSERT_TOGETHER: &str = "INSERT INTO webhooks (event_id, order_id, type, body)
    SELECT event_id, order_id, type, body::jsonb
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS batch (event_id, order_id, type, body)
    ON CONFLICT DO NOTHING RETURNING event_id";

/// The most webhooks per statement.
const BATCH: usize = 512;
/// Concurrent statements.
const LANES: usize = 2;

#[derive(Args)]
pub(crate) struct PlainArgs {
    #[arg(long)]
    database_url: String,
    /// So many connections, which are not tested before each use; without it, the pool that sqlx makes unless told otherwise.
    #[arg(long)]
    pool: Option<u32>,
    /// Whether what waits is inserted together.
    #[arg(long)]
    together: bool,
}

struct App {
    verifier: Verifier,
    pool: PgPool,
    /// The queue of webhooks that are inserted together.
    queue: Option<mpsc::UnboundedSender<Waiting>>,
}

/// A queued webhook.
struct Waiting {
    event_id: String,
    order_id: String,
    kind: String,
    body: Bytes,
    answer: oneshot::Sender<Result<bool, String>>,
}

/// The fields that it parses. PostgreSQL stores the rest, which is cheapest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'a> {
    event_id: &'a str,
    event: &'a str,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    order_id: &'a str,
}

#[derive(Serialize)]
struct Received {
    status: &'static str,
}

/// Serves until the parent has ended.
pub(crate) async fn run(args: PlainArgs) -> anyhow::Result<()> {
    let options = match args.pool {
        None => PgPoolOptions::new(),
        Some(connections) => PgPoolOptions::new()
            .max_connections(connections)
            .min_connections(connections)
            .test_before_acquire(false),
    };
    let pool = options.connect(&args.database_url).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let verifier = Verifier::new([&payloads::key()], Scheme::default());
    let queue = args.together.then(|| {
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(insert_together(pool.clone(), waiting));
        queue
    });
    let router = Router::new()
        .route("/webhooks/coldmailreseller", post(receive))
        .with_state(Arc::new(App { verifier, pool, queue }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    child::announce(listener.local_addr()?)?;
    axum::serve(listener, router)
        .with_graceful_shutdown(child::parent_gone())
        .await?;
    Ok(())
}

async fn receive(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Received>, (StatusCode, String)> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    app.verifier
        .verify(
            header(SIGNATURE_HEADER),
            header(TIMESTAMP_HEADER),
            &body,
            Timestamp::now(),
        )
        .map_err(|refusal| (StatusCode::UNAUTHORIZED, refusal.to_string()))?;
    let bad_request = |error: &dyn std::fmt::Display| (StatusCode::BAD_REQUEST, error.to_string());
    let text = std::str::from_utf8(&body).map_err(|error| bad_request(&error))?;
    let webhook: Webhook<'_> = serde_json::from_str(text).map_err(|error| bad_request(&error))?;
    let unavailable = |error: String| (StatusCode::SERVICE_UNAVAILABLE, error);
    let is_new = match &app.queue {
        None => insert(&app.pool, &webhook, text)
            .await
            .map_err(|error| error.to_string()),
        Some(queue) => {
            let (answer, answered) = oneshot::channel();
            let waiting = Waiting {
                event_id: webhook.event_id.to_owned(),
                order_id: webhook.data.order_id.to_owned(),
                kind: webhook.event.to_owned(),
                body: body.clone(),
                answer,
            };
            queue.send(waiting).map_err(|error| unavailable(error.to_string()))?;
            answered.await.map_err(|error| unavailable(error.to_string()))?
        }
    };
    let status = match is_new.map_err(unavailable)? {
        true => "recorded",
        false => "duplicate",
    };
    Ok(Json(Received { status }))
}

/// Returns whether it was new.
async fn insert(pool: &PgPool, webhook: &Webhook<'_>, text: &str) -> sqlx::Result<bool> {
    let inserted = sqlx::query(INSERT)
        .bind(webhook.event_id)
        .bind(webhook.data.order_id)
        .bind(webhook.event)
        .bind(text)
        .execute(pool)
        .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Inserts all queued webhooks whenever a lane is free.
async fn insert_together(pool: PgPool, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    let lanes = Arc::new(Semaphore::new(LANES));
    while let Ok(lane) = Arc::clone(&lanes).acquire_owned().await {
        let mut batch = Vec::new();
        if queue.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let pool = pool.clone();
        tokio::spawn(async move {
            let new = insert_batch(&pool, &batch).await.map_err(|error| error.to_string());
            drop(lane);
            for waiting in batch {
                let is_new = new.clone().map(|new| new.contains(&waiting.event_id));
                // the caller may have disconnected
                let _ = waiting.answer.send(is_new);
            }
        });
    }
}

/// The ids that were new.
async fn insert_batch(pool: &PgPool, batch: &[Waiting]) -> anyhow::Result<HashSet<String>> {
    let bodies: Vec<&str> = batch
        .iter()
        .map(|waiting| std::str::from_utf8(&waiting.body))
        .collect::<Result<_, _>>()?;
    let each = |field: fn(&Waiting) -> &str| batch.iter().map(field).collect::<Vec<_>>();
    let new: Vec<String> = sqlx::query_scalar(INSERT_TOGETHER)
        .bind(each(|waiting| &waiting.event_id))
        .bind(each(|waiting| &waiting.order_id))
        .bind(each(|waiting| &waiting.kind))
        .bind(bodies)
        .fetch_all(pool)
        .await?;
    Ok(new.into_iter().collect())
}
