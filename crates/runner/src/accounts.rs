//! Mailboxes as of an earlier moment. Events about one mailbox may be anywhere in the log; those about the mailboxes of
//! a known domain are in the domain's streams and in the mailboxes' own.

use aggregates::{Domain, MailboxId, Position, StreamId};
use projections::accounts::{AccountView, Accounts};
use projections::{Projection, Verdict};

use super::RunError;
use super::history::of_domain;
use store::{Store, StoreError};

/// The accounts of a domain's mailboxes as of an event; mailboxes unknown at that time are left out.
///
/// # Errors
/// [`RunError`] if the store fails.
pub async fn accounts_as_of(
    store: &dyn Store,
    domain: &str,
    ids: &[&MailboxId],
    until: Position,
) -> Result<Vec<(String, AccountView)>, RunError> {
    let domain = Domain::parse(domain).map_err(StoreError::from)?;
    let mut streams = of_domain(store, &domain).await?;
    streams.extend(ids.iter().map(|id| StreamId::mailbox(id)));
    let mut accounts: Vec<(String, Option<AccountView>)> = ids.iter().map(|id| (id.to_string(), None)).collect();
    for stored in store.streams(&streams).await? {
        if stored.position > until {
            break;
        }
        let event = stored.to_recorded()?;
        for key in Accounts::keys(&event) {
            let Some((_, view)) = accounts.iter_mut().find(|(id, _)| *id == key) else {
                continue;
            };
            let mut folded = view.take().unwrap_or_default();
            if Accounts::apply(&mut folded, &key, &event) == Verdict::Keep {
                *view = Some(folded);
            }
        }
    }
    let known = accounts.into_iter().filter_map(|(id, view)| Some((id, view?)));
    Ok(known.collect())
}
