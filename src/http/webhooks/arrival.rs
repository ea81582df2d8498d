//! What is listed of a webhook that came, and refused webhooks that are kept aside.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use aggregates::{EventId, Position};
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::time::timeout;

use crate::deliveries::sender_of;
use crate::http::watch::RequestId;
use crate::http::{App, Problem, auth};
use ledger::Original;
use ledger::ingest::signature::Scheme;
use ledger::ingest::{Claims, Ingest, kept_headers};
use secret::{Secret, Wiped};
use store::{DeliveryOutcome, NewDelivery, RefusedWebhook, clock};

/// How long the answer waits until a refused webhook is kept: its sender tries three times in all.
const KEPT_WITHIN: Duration = Duration::from_secs(3);

/// A webhook that came.
pub(super) struct Arrival<'a> {
    app: &'a App,
    ingest: &'a Ingest,
    address: String,
    sender: String,
    request_id: String,
    /// Whether its sender may have one more refused webhook looked at.
    admitted: OnceLock<bool>,
}

/// Why a webhook was not taken.
pub(super) struct NotTaken {
    cause: &'static str,
    problem: Problem,
    webhook: Option<Webhook>,
}

/// A webhook that may be kept aside.
struct Webhook {
    headers: BTreeMap<String, String>,
    body: Wiped<Vec<u8>>,
    scheme: Option<Scheme>,
}

impl NotTaken {
    /// For a cause, one word; the problem is the answer.
    pub(super) fn new(cause: &'static str, problem: Problem) -> Self {
        Self {
            cause,
            problem,
            webhook: None,
        }
    }

    /// With the webhook: it may be taken in later, once a key signs it. `scheme` is the one under which its signature
    /// matches a key of now.
    pub(super) fn of<'h>(
        self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: Wiped<Vec<u8>>,
        scheme: Option<Scheme>,
    ) -> Self {
        Self {
            webhook: Some(Webhook {
                headers: kept_headers(header),
                body,
                scheme,
            }),
            ..self
        }
    }
}

impl<'a> Arrival<'a> {
    pub(super) fn new(app: &'a App, ingest: &'a Ingest, parts: &Parts) -> Self {
        let address = auth::connection(parts, app).address;
        let id = parts.extensions.get::<RequestId>();
        Self {
            app,
            ingest,
            sender: sender_of(&address),
            address: address.to_string(),
            request_id: id.map_or_else(String::new, |RequestId(id)| id.clone()),
            admitted: OnceLock::new(),
        }
    }

    /// Whether it would be kept aside if it is refused.
    pub(super) fn may_keep(&self) -> bool {
        self.app.keeper.is_on() && self.is_admitted()
    }

    fn is_admitted(&self) -> bool {
        *self
            .admitted
            .get_or_init(|| self.app.deliveries.admits_refused(&self.sender))
    }

    /// Lists the delivery, in its time.
    pub(super) fn list(
        &self,
        outcome: DeliveryOutcome,
        cause: Option<&str>,
        status: StatusCode,
        position: Option<Position>,
        claims: Claims,
    ) {
        let domains: Vec<&str> = claims.domains.iter().map(|domain| domain.as_str()).collect();
        self.app.deliveries.record(NewDelivery {
            at: clock::now(),
            source: self.ingest.source().clone(),
            address: self.address.clone(),
            sender: self.sender.clone(),
            outcome,
            cause: cause.map(str::to_owned),
            status: status.as_u16(),
            request_id: self.request_id.clone(),
            position,
            event_id: claims.event_id,
            order_id: claims.order_id,
            domains: (!domains.is_empty()).then(|| domains.join(" ")),
        });
    }

    /// Lists a refused webhook, keeps it aside if it may be, and returns the answer.
    pub(super) async fn refuse(&self, refused: NotTaken) -> Problem {
        let NotTaken {
            cause,
            problem,
            webhook,
        } = refused;
        metrics::counter!("warmledger_webhooks_refused_total", "cause" => cause).increment(1);
        if !self.is_admitted() {
            if webhook.is_some() && self.app.keeper.is_on() {
                metrics::counter!("warmledger_refused_kept_total", "result" => "flood").increment(1);
            }
            return problem;
        }
        let claims = webhook
            .as_ref()
            .map(|webhook| Claims::of(&webhook.body))
            .unwrap_or_default();
        let event_id = claims.event_id.clone();
        self.list(DeliveryOutcome::Refused, Some(cause), problem.status(), None, claims);
        if let Some(webhook) = webhook.filter(|_| self.app.keeper.is_on()) {
            let kept = timeout(KEPT_WITHIN, self.keep(cause, webhook, event_id)).await;
            let kept = kept.unwrap_or("late");
            metrics::counter!("warmledger_refused_kept_total", "result" => kept).increment(1);
            if kept != "kept" {
                tracing::warn!(result = kept, "a refused webhook could not be kept aside");
            }
        }
        problem
    }

    /// Keeps it, and says how that went in one word.
    async fn keep(&self, cause: &str, webhook: Webhook, event_id: Option<EventId>) -> &'static str {
        // within the time that the answer waits
        let Ok(_room) = self.app.keeping.acquire().await else {
            return "busy";
        };
        let refused = RefusedWebhook {
            id: EventId::access(rand::random()),
            at: clock::now(),
            source: self.ingest.source().clone(),
            address: self.address.clone(),
            sender: self.sender.clone(),
            cause: cause.to_owned(),
            scheme: webhook.scheme.map(|scheme| scheme.as_str().to_owned()),
            event_id,
        };
        let Webhook { headers, mut body, .. } = webhook;
        let original = Original {
            headers,
            body: Secret::new(std::mem::take(&mut *body)),
        };
        match self.app.keeper.keep(&refused, &original).await {
            Ok(true) => "kept",
            Ok(false) => "tooLarge",
            Err(error) => {
                tracing::warn!(%error, "a refused webhook could not be kept aside");
                "failed"
            }
        }
    }
}
