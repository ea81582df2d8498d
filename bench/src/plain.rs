//! The peer: what a good engineer writes in an afternoon. It checks the signature as we do, reads the JSON, and inserts
//! one row per request; the answer follows the commit.

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

#[derive(Args)]
pub(crate) struct PlainArgs {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    pool: u32,
    #[arg(long)]
    ping: bool,
}

struct App {
    verifier: Verifier,
    pool: PgPool,
}

/// What it reads from a webhook. The rest is left to PostgreSQL, which is the cheapest way for it.
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

/// Serves until the parent is gone.
pub(crate) async fn run(args: PlainArgs) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(args.pool)
        .min_connections(args.pool)
        .test_before_acquire(args.ping)
        .connect(&args.database_url)
        .await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let verifier = Verifier::new([&payloads::key()], Scheme::default());
    let router = Router::new()
        .route("/webhooks/coldmailreseller", post(receive))
        .with_state(Arc::new(App { verifier, pool }));
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
    let inserted = sqlx::query(INSERT)
        .bind(webhook.event_id)
        .bind(webhook.data.order_id)
        .bind(webhook.event)
        .bind(text)
        .execute(&app.pool)
        .await
        .map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let status = match inserted.rows_affected() {
        0 => "duplicate",
        _ => "recorded",
    };
    Ok(Json(Received { status }))
}
