//! A demo's views, read over HTTP as any client would, and example calls.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use reqwest::{Client, Url};
use serde_json::Value;

use secret::Secret;
use simulate::Plan;

/// The most items of a page.
const PAGE: usize = 500;

/// A client of the demo's service. No `Debug`: it holds the token.
pub(super) struct Look {
    client: Client,
    base: Url,
    token: Secret<String>,
}

impl Look {
    pub(super) fn new(base: Url, token: Secret<String>) -> anyhow::Result<Self> {
        let client = Client::builder().no_proxy().build()?;
        Ok(Self { client, base, token })
    }

    /// The number of items of each view by status, a line each.
    pub(super) async fn views(&self) -> anyhow::Result<String> {
        let (orders, domains) = (self.list("api/v1/orders").await?, self.list("api/v1/domains").await?);
        let mailboxes = domains.iter().map(|domain| domain["mailboxCount"].as_u64());
        let mailboxes: u64 = mailboxes
            .sum::<Option<u64>>()
            .context("a domain without a mailboxCount")?;
        let (renewals, failures) = (self.list("api/v1/renewals").await?, self.list("api/v1/failures").await?);
        let customers = self.list("api/v1/customers").await?;
        let is_hit = |customer: &&Value| customer["openFailures"].as_u64().is_some_and(|open| open > 0);
        let hit = customers.iter().filter(is_hit).count();
        let registrations = self.list("api/v1/registrations").await?;
        let risks = renewals.iter().filter_map(|renewal| renewal["riskReasons"].as_array());
        let risks: Vec<Value> = risks
            .flatten()
            .map(|reason| serde_json::json!({"reason": reason}))
            .collect();
        let line = |name: &str, total: usize, note: String| format!("  {name:<14}{total:>6}   {note}\n");
        Ok([
            line("orders", orders.len(), by(&orders, "status")),
            line(
                "customers",
                customers.len(),
                format!("{hit} with something that failed"),
            ),
            line("domains", domains.len(), format!("{mailboxes} mailboxes")),
            line("registrations", registrations.len(), by(&registrations, "status")),
            line("subscriptions", renewals.len(), by(&renewals, "status")),
            line("risks", risks.len(), by(&risks, "reason")),
            line("failures", failures.len(), by(&failures, "reason")),
        ]
        .concat())
    }

    /// All items of a list.
    async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (mut items, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut url = self.base.join(path)?;
            url.query_pairs_mut()
                .append_pair("limit", &PAGE.to_string())
                .extend_pairs(after.iter().map(|after| ("after", after)));
            let response = self.client.get(url).bearer_auth(self.token.expose()).send().await?;
            if !response.status().is_success() {
                bail!("/{path} answered {}", response.status());
            }
            let mut page: Value = response.json().await?;
            match page["items"].take() {
                Value::Array(more) => items.extend(more),
                _ => bail!("/{path} answered without items"),
            }
            match &page["next"] {
                Value::String(next) => after = Some(next.clone()),
                _ => return Ok(items),
            }
        }
    }

    /// Shell commands, each under a comment that describes it.
    pub(super) fn calls(&self, plan: &Plan) -> String {
        let mut calls = vec![
            ("the newest orders".to_owned(), "api/v1/orders?limit=5".to_owned()),
            (
                "orders that failed in part".to_owned(),
                "api/v1/orders?status=partial".to_owned(),
            ),
        ];
        if let Some(order) = plan.expected.orders.first() {
            calls.push((
                "what happened to one order".to_owned(),
                format!("api/v1/orders/{}/events", order.order_id),
            ));
        }
        if let Some((domain, _)) = plan.expected.subscriptions().next() {
            calls.push((
                format!("the mailboxes of {domain}"),
                format!("api/v1/domains/{domain}/mailboxes"),
            ));
        }
        for (what, path) in [
            ("what renews when", "api/v1/renewals"),
            (
                "what will fail next week, and why",
                "api/v1/renewals?from=today&to=%2B7d&risk=high",
            ),
            (
                "which customers are hit today",
                "api/v1/failures?from=today&groupBy=userId",
            ),
            ("customers and what they have", "api/v1/customers?limit=5"),
            (
                "what came and was not taken",
                "api/v1/deliveries?outcome=refused,quarantined",
            ),
            ("why things failed", "api/v1/failures?groupBy=reason"),
            ("the feed of events", "api/v1/events?limit=5"),
            ("how far the read models are", "api/v1/projections"),
            ("everything that can be called", "openapi.json"),
        ] {
            calls.push((what.to_owned(), path.to_owned()));
        }
        let token = self.token.expose();
        calls
            .iter()
            .map(|(what, path)| {
                format!(
                    "# {what}\ncurl -s -H 'Authorization: Bearer {token}' '{}{path}'; echo\n",
                    self.base
                )
            })
            .collect()
    }
}

/// The number of items for each value of a field, most first.
fn by(items: &[Value], field: &str) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for item in items {
        let value = match &item[field] {
            Value::String(text) => text.clone(),
            Value::Null => "unknown".to_owned(),
            other => other.to_string(),
        };
        *counts.entry(value).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let parts = counts.iter().map(|(value, count)| format!("{count} {value}"));
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_are_told_most_first() {
        let items = [json!({"s": "b"}), json!({"s": "a"}), json!({"s": "a"}), json!({})];
        assert_eq!(by(&items, "s"), "2 a, 1 b, 1 unknown");
    }
}
