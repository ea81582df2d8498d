//! The credentials of a mailbox, opened from the events that hold the newest of each.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{MailboxId, Position, Shown, SubjectId};
use projections::accounts::{AccountView, Home, Part, Place};

use crate::sections::{Personal, SecretMailbox, Secrets, Text, section};
pub use crate::seed::NoCode;
use crate::seed::is_blank_seed;
use crate::{OpenError, Reader};
use aggregates::visible::is_blank;
use secret::Secret;
use store::{Store, StoreError, StoredEvent};

/// Where the sealed parts of one mailbox are, each with the newest first: the first that is not blank counts.
#[derive(Clone, Debug, Default)]
pub struct Places {
    password: Vec<Place>,
    app_password: Vec<Place>,
    authenticator_secret: Vec<Place>,
    email: Vec<Place>,
}

impl Places {
    /// The places in the newest events that name each part.
    pub fn newest(view: &AccountView) -> Self {
        let places = |part| view.places(part).collect();
        Self {
            password: places(Part::Password),
            app_password: places(Part::AppPassword),
            authenticator_secret: places(Part::AuthenticatorSecret),
            email: places(Part::Email),
        }
    }

    /// All parts in one event: for a mailbox without an id, which no other event can name.
    pub fn all_at(place: Place) -> Self {
        Self {
            password: vec![place],
            app_password: vec![place],
            authenticator_secret: vec![place],
            email: vec![place],
        }
    }

    fn positions(&self) -> impl Iterator<Item = Position> {
        let all = [
            &self.password,
            &self.app_password,
            &self.authenticator_secret,
            &self.email,
        ];
        all.into_iter().flatten().map(|place| place.position)
    }
}

/// The order, subscription and domain of a mailbox by the newest event that names them; none if no event does.
///
/// # Errors
/// [`StoreError`] if the event cannot be read.
pub async fn home(store: &dyn Store, view: &AccountView, mailbox: &MailboxId) -> Result<Option<Home>, StoreError> {
    let Some(position) = view.home() else { return Ok(None) };
    let told = store.events_at(&[position]).await?;
    let event = told.into_iter().next().map(StoredEvent::into_recorded).transpose()?;
    Ok(event.and_then(|event| Home::told_by(&event, mailbox)))
}

/// A mailbox's credentials in plaintext: no `Debug`, `Display` or `Serialize`.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Whether some of them were erased. Those recorded since are here.
    pub erased: bool,
    /// Whose they are: the subject of the event with the password, or else of one with another part.
    pub subject: Option<SubjectId>,
    /// The mailbox's address.
    pub email: Option<Secret<String>>,
    /// The account's password.
    pub password: Option<Secret<String>>,
    /// The app password.
    pub app_password: Option<Secret<String>>,
    /// The TOTP seed.
    pub authenticator_secret: Option<Secret<String>>,
}

/// A one-time code (RFC 6238). No `Debug`, `Display` or `Serialize`.
pub struct OneTimeCode {
    /// Its digits, six unless the seed's address says otherwise.
    pub code: Secret<String>,
    /// The Unix time in seconds at which the next code begins.
    pub until: u64,
}

impl Credentials {
    /// The kinds of credentials shown: a code in place of the TOTP seed, and the seed itself only with `seed`.
    pub fn shown(&self, seed: bool) -> Vec<Shown> {
        let all = [
            (self.app_password.is_some(), Shown::AppPassword),
            (self.authenticator_secret.is_some() && seed, Shown::AuthenticatorSecret),
            (self.one_time_code(0).is_ok(), Shown::OneTimeCode),
            (self.password.is_some(), Shown::Password),
        ];
        let shown = all.into_iter().filter(|(is_shown, _)| *is_shown);
        shown.map(|(_, what)| what).collect()
    }

    /// The one-time code at this Unix time in seconds.
    ///
    /// # Errors
    /// [`NoCode`] if there is no seed, or none that a code can be computed from.
    pub fn one_time_code(&self, now: u64) -> Result<OneTimeCode, NoCode> {
        let seed = self.authenticator_secret.as_ref().ok_or(NoCode::NoSeed)?;
        let totp = crate::seed::totp(seed.expose())?;
        Ok(OneTimeCode {
            code: Secret::new(totp.generate(now).to_string()),
            until: totp.next_step(now),
        })
    }
}

/// An event's sealed sections, opened.
struct Opened {
    subject: SubjectId,
    secrets: Option<Secret<Vec<u8>>>,
    personal: Option<Secret<Vec<u8>>>,
}

impl Opened {
    async fn of(reader: &Reader, event: &StoredEvent) -> Result<Self, OpenError> {
        let opened = Self {
            subject: event.subject.clone(),
            secrets: reader.secrets(event).await?,
            personal: reader.personal(event).await?,
        };
        if opened.secrets().is_none() || opened.personal().is_none() {
            let position = event.position;
            let what = format!("a sealed section of the event at position {position} has another shape");
            return Err(StoreError::Corrupt(what).into());
        }
        Ok(opened)
    }

    /// None if the section has another shape.
    fn secrets(&self) -> Option<Secrets<'_>> {
        section(self.secrets.as_ref().map(|plain| plain.expose().as_slice()))
    }

    fn personal(&self) -> Option<Personal<'_>> {
        section(self.personal.as_ref().map(|plain| plain.expose().as_slice()))
    }

    fn secret(&self, index: u32, pick: fn(SecretMailbox<'_>) -> Option<Text<'_>>) -> Option<Secret<String>> {
        let mailbox = *self.secrets()?.mailboxes.get(index as usize)?;
        pick(mailbox).map(Text::secret)
    }

    fn email(&self, index: u32) -> Option<Secret<String>> {
        self.personal()?.mailboxes.get(index as usize)?.email.map(Text::secret)
    }
}

/// Opens the credentials of mailboxes, in their order, except for the erased ones.
///
/// # Errors
/// [`OpenError::Erased`] if the credentials of all of them are erased; [`OpenError`] if the store or the vault fails.
pub async fn open(store: &dyn Store, reader: &Reader, mailboxes: &[Places]) -> Result<Vec<Credentials>, OpenError> {
    let positions: BTreeSet<Position> = mailboxes.iter().flat_map(Places::positions).collect();
    let positions: Vec<Position> = positions.into_iter().collect();
    let mut opened = BTreeMap::new();
    for event in store.events_at(&positions).await? {
        match Opened::of(reader, &event).await {
            // later credentials are under another key
            Err(OpenError::Erased) => {}
            event_opened => drop(opened.insert(event.position, event_opened?)),
        }
    }
    let credentials = mailboxes.iter().map(|places| {
        // places after an erased one are older than the erased credential
        let newest =
            |of: &[Place], is_blank: fn(&str) -> bool, pick: &dyn Fn(&Opened, u32) -> Option<Secret<String>>| {
                let told = of
                    .iter()
                    .map_while(|place| Some(pick(opened.get(&place.position)?, place.index)));
                told.flatten().find(|secret| !is_blank(secret.expose()))
            };
        let secret = |of: &[Place], is_blank, pick: fn(SecretMailbox<'_>) -> Option<Text<'_>>| {
            newest(of, is_blank, &|event, index| event.secret(index, pick))
        };
        Credentials {
            erased: places.positions().any(|position| !opened.contains_key(&position)),
            subject: places
                .positions()
                .find_map(|position| Some(opened.get(&position)?.subject.clone())),
            email: newest(&places.email, is_blank, &Opened::email),
            password: secret(&places.password, is_blank, |mailbox| mailbox.password),
            app_password: secret(&places.app_password, is_blank, |mailbox| mailbox.app_password),
            authenticator_secret: secret(&places.authenticator_secret, is_blank_seed, |mailbox| {
                mailbox.authenticator_secret
            }),
        }
    });
    let credentials: Vec<Credentials> = credentials.collect();
    let is_gone = |credentials: &Credentials| credentials.erased && credentials.shown(true).is_empty();
    if !credentials.is_empty() && credentials.iter().all(is_gone) {
        return Err(OpenError::Erased);
    }
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_seed(seed: &str) -> Credentials {
        Credentials {
            authenticator_secret: Some(Secret::new(seed.to_owned())),
            ..Credentials::default()
        }
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // appendix B: the seed is the ASCII text 12345678901234567890; of eight digits, the last six
        let credentials = with_seed("gezd gnbv gy3t qojq gezd gnbv gy3t qojq");
        for (now, code, until) in [
            (59, "287082", 60),
            (1_111_111_109, "081804", 1_111_111_110),
            (20_000_000_000, "353130", 20_000_000_010),
        ] {
            let made = credentials.one_time_code(now);
            assert!(
                made.is_ok_and(|made| made.code.expose() == code && made.until == until),
                "{now}"
            );
        }
    }

    #[test]
    fn a_seed_as_short_as_providers_make_them_has_codes_and_what_is_no_seed_has_none() {
        assert!(with_seed("jbsw y3dp ehpk 3pxp").one_time_code(0).is_ok());
        assert!(with_seed("not a seed: 0189!").one_time_code(0).is_err());
        assert!(Credentials::default().one_time_code(0).is_err());
    }
}
