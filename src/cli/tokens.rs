//! `warmledger tokens`

use std::process::ExitCode;

use aggregates::{AccessEvent, AccessFacts, TokenId};
use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use serde_json::json;

use super::output::{self, ListArgs};
use crate::access::{Caller, Scope, Scopes, TokenName, facts_of, new_token};
use crate::http::Token;
use crate::service::open_store;
use crate::settings::Settings;
use ledger::record_access;
use store::clock;
use store::{EventFilter, EventQuery, Mode, Store, StoredToken, TokenHash};

/// The arguments of `warmledger tokens`.
#[derive(Args)]
#[command(after_help = "\
Scopes: read (what the views tell), audit (events, access log), reveal (credentials of one mailbox at a time),
reveal-bulk (those of a whole domain), erase, operate (rebuilds, consumers), admin (tokens).

Examples:
  warmledger tokens create --name 'support desk' --scope read --scope reveal --expires 90d
  warmledger tokens list
  warmledger tokens revoke tok_0123456789abcdef")]
pub struct TokensArgs {
    /// What to do with the tokens.
    #[command(subcommand)]
    pub command: TokensCommand,
}

/// What to do with the tokens.
#[derive(Subcommand)]
pub enum TokensCommand {
    /// Make a token and print it; it is shown this once, and only its hash is kept
    #[command(after_help = "\
Works beside a running service, and needs none of its keys.

Examples:
  warmledger tokens create --name billing --scope read
  warmledger tokens create --name auditor --scope audit --expires 2026-12-31 --json")]
    Create {
        /// What to call it
        #[arg(long, value_name = "NAME")]
        name: TokenName,
        /// What it may do; repeat it, or separate several by commas
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
        scopes: Vec<Scope>,
        /// From when on it is no longer good: a date, an RFC 3339 time, or a time from now such as 90d or 12h
        #[arg(long, value_name = "WHEN", value_parser = expiry)]
        expires: Option<Timestamp>,
        /// Print {"token", "id", …} instead of the token alone
        #[arg(long)]
        json: bool,
    },
    /// List all tokens, those that are no longer good included
    #[command(after_help = "Examples:\n  warmledger tokens list\n  warmledger tokens list --json | jq -r '.[].id'")]
    List(ListArgs),
    /// Revoke a token: no process takes it any more within some seconds
    #[command(after_help = "Example:\n  warmledger tokens revoke tok_0123456789abcdef")]
    Revoke {
        /// Its id, as `tokens list` shows it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Makes, lists or revokes tokens.
///
/// # Errors
/// If the store can't be reached, or there is no such token.
pub async fn run(args: TokensArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let mode = match args.command {
        TokensCommand::List { .. } => Mode::ReadOnly,
        _ => Mode::Existing,
    };
    let store = open_store(&settings, mode).await?;
    match args.command {
        TokensCommand::Create {
            name,
            scopes,
            expires,
            json,
        } => create(&*store, &name, scopes.into_iter().collect(), expires, json).await?,
        TokensCommand::List(args) => list(store.tokens().await?, args)?,
        TokensCommand::Revoke { id } => revoke(&*store, &token_id(&id)?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(
    store: &dyn Store,
    name: &TokenName,
    scopes: Scopes,
    expires: Option<Timestamp>,
    json: bool,
) -> anyhow::Result<()> {
    let now = clock::now();
    if expires.is_some_and(|at| at <= now) {
        anyhow::bail!("--expires: has passed already");
    }
    let (token, stored) = new_token(name, scopes, now, expires);
    let facts = facts_of(&stored, Caller::cli().facts());
    record_access(store, AccessEvent::TokenCreated(facts)).await?;
    store.create_token(&stored).await?;
    if json {
        let mut printed = json!(Token::from(&stored));
        printed["token"] = json!(token.expose());
        return output::print_json(&printed);
    }
    eprintln!(
        "token {} with the scopes {}, shown this once:",
        stored.id, stored.scopes
    );
    Ok(output::print(&format!("{}\n", token.expose()))?)
}

fn list(tokens: Vec<StoredToken>, args: ListArgs) -> anyhow::Result<()> {
    let now = clock::now();
    let at = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let heading = ["id", "name", "scopes", "state", "created", "expires", "last used"];
    args.print(tokens.iter().map(Token::from).collect(), heading, |token| {
        let state = match (token.revoked_at, token.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(expiry)) if expiry <= now => "expired",
            _ => "good",
        };
        [
            token.id.clone(),
            token.name.clone(),
            token.scopes.join(","),
            state.to_owned(),
            token.created_at.to_string(),
            at(token.expires_at),
            at(token.last_used_at),
        ]
    })
}

async fn revoke(store: &dyn Store, id: &TokenId) -> anyhow::Result<()> {
    let tokens = store.tokens().await?;
    let token = tokens.iter().find(|token| token.id == *id);
    if token.is_none() && !was_created(store, id).await? {
        anyhow::bail!("there is no token {id}; `warmledger tokens list` shows all");
    }
    if let Some(at) = token.and_then(|token| token.revoked_at) {
        anyhow::bail!("the token {id} was revoked at {at}");
    }
    let at = clock::now();
    let facts = AccessFacts {
        // without a row, no time is stored that `verify` would look for
        revoked_at: token.map(|_| at),
        token_id: Some(id.clone()),
        ..Caller::cli().facts()
    };
    record_access(store, AccessEvent::TokenRevoked(facts)).await?;
    store.revoke_token(id, at).await?;
    match token {
        Some(token) => eprintln!("revoked {id} ({})", token.name),
        None => eprintln!("revoked {id}, which was not in the table of tokens any more"),
    }
    Ok(())
}

/// Whether the log has the token's creation: its row may have been removed, or never written.
async fn was_created(store: &dyn Store, id: &TokenId) -> anyhow::Result<bool> {
    let mut query = EventQuery {
        limit: 1_000,
        filter: EventFilter {
            types: vec!["TokenCreated".to_owned()],
            ..EventFilter::default()
        },
        ..EventQuery::default()
    };
    loop {
        let page = store.events(&query).await?;
        for event in &page {
            let recorded = event.to_recorded()?;
            if recorded.access().and_then(|access| access.facts().token_id.as_ref()) == Some(id) {
                return Ok(true);
            }
        }
        let Some(last) = page.last() else { return Ok(false) };
        query.after = last.position;
    }
}

/// Never quotes the text: the user may have passed the token itself.
fn token_id(text: &str) -> anyhow::Result<TokenId> {
    if TokenHash::of(text).is_some() {
        anyhow::bail!("that is a token, and its id is wanted: `warmledger tokens list` shows the ids");
    }
    TokenId::parse(text)
        .ok()
        .context("that is no token's id: `warmledger tokens list` shows the ids")
}

fn expiry(text: &str) -> Result<Timestamp, String> {
    let time = text.parse::<Timestamp>().ok();
    let day = || {
        let day = text.parse::<Date>().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let from_now = || {
        let span = text.parse::<Span>().ok().filter(|span| span.is_positive())?;
        // days and weeks have a length only on a calendar
        let now: Zoned = clock::now().to_zoned(TimeZone::UTC);
        Some(now.checked_add(span).ok()?.timestamp())
    };
    let found = time.or_else(day).or_else(from_now).map(clock::to_micros);
    found.ok_or_else(|| "has to be a date, an RFC 3339 time, or a time from now such as 90d or 12h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_date_a_time_or_a_span_from_now() {
        assert_eq!(
            expiry("2026-12-31").map(|at| at.to_string()),
            Ok("2026-12-31T00:00:00Z".to_owned())
        );
        assert!(expiry("2026-12-31T12:00:00+01:00").is_ok());
        let days = expiry("90d").expect("a span").duration_since(clock::now()).as_hours();
        assert!((90 * 24 - 1..=90 * 24).contains(&days), "{days}");
        for bad in ["", "soon", "-3d", "2026-13-01"] {
            assert!(expiry(bad).is_err(), "{bad}");
        }
    }
}
