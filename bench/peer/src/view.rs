//! A view of the domains of an order and their mailbox counts, folded by cqrs-es' `GenericQuery` with each append.

use std::collections::BTreeMap;
use std::sync::Arc;

use cqrs_es::persist::GenericQuery;
use cqrs_es::{EventEnvelope, Query, View};
use postgres_es::PostgresViewRepository;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPool;

use crate::order::{Order, OrderEvent};

/// From the `db/init.sql` of postgres-es.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS order_view (
    view_id text                        NOT NULL,
    version bigint CHECK (version >= 0) NOT NULL,
    payload json                        NOT NULL,
    PRIMARY KEY (view_id)
)";

/// The view of an order.
#[derive(Debug, Default, Serialize, Deserialize)]
struct OrderView {
    user_id: Option<String>,
    mailboxes: BTreeMap<String, usize>,
    renewals: usize,
}

impl View<Order> for OrderView {
    fn update(&mut self, event: &EventEnvelope<Order>) {
        match &event.payload {
            OrderEvent::MailboxesAssigned(webhook) => {
                self.user_id = Some(webhook.user().to_owned());
                self.mailboxes.extend(webhook.domains());
            }
            OrderEvent::SubscriptionRenewed(_) => self.renewals += 1,
        }
    }
}

/// The query that writes the view; creates its table.
pub(crate) async fn query(pool: &PgPool) -> anyhow::Result<Box<dyn Query<Order>>> {
    sqlx::query(TABLE).execute(pool).await?;
    let repository = PostgresViewRepository::<OrderView, Order>::new("order_view", pool.clone());
    let mut query = GenericQuery::new(Arc::new(repository));
    // ignored otherwise, and then the figure would be that of a view that is not written
    query.use_error_handler(Box::new(|error| panic!("the view could not be written: {error}")));
    Ok(Box::new(query))
}
