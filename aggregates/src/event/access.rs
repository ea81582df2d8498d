//! The actions of people and programs on the ledger: who saw a credential, who erased, exported or rebuilt, and why.
//! The event's type names the action; a refused request is an [`AccessEvent::AccessRefused`].
//!
//! The events hold no personal data of a mailbox's user, only ids: they are never sealed and outlive every erasure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::family::event_family;
use crate::{ActorId, Domain, EventId, MailboxId, OrderId, Position, StreamId, SubjectId, TokenId};

event_family! {
    /// Every action on the ledger that has to be accounted for.
    AccessEvent {
        /// A mailbox's credentials were handed out.
        CredentialsRevealed(AccessFacts) = 1,
        /// A subject's data key was destroyed.
        SubjectErased(AccessFacts) = 1,
        /// A subject was put under legal hold: it cannot be erased.
        SubjectHeld(AccessFacts) = 1,
        /// A legal hold was lifted.
        SubjectReleased(AccessFacts) = 1,
        /// A range of events was exported as an audit bundle.
        Exported(AccessFacts) = 1,
        /// A projection was told to be rebuilt.
        RebuildRequested(AccessFacts) = 1,
        /// The ledger was checked (a projection, before `ProjectionChecked`); `passed` says with what result.
        Verified(AccessFacts) = 1,
        /// A projection was compared with a rebuild; `passed` says with what result.
        ProjectionChecked(AccessFacts) = 1,
        /// An API token was made.
        TokenCreated(AccessFacts) = 1,
        /// An API token was revoked.
        TokenRevoked(AccessFacts) = 1,
        /// The data keys were wrapped anew under another master key.
        KeysRotated(AccessFacts) = 1,
        /// A master key was put beside the others.
        MasterKeyAdded(AccessFacts) = 1,
        /// A master key was forgotten: backups from its time cannot be opened any more.
        MasterKeyRetired(AccessFacts) = 1,
        /// The key that signs the ledger's checkpoints was replaced.
        SigningKeyRotated(AccessFacts) = 1,
        /// The feed of all events was read; once for each session, not for each page.
        AuditFeedRead(AccessFacts) = 1,
        /// The timelines of orders were read; once for each session.
        TimelinesRead(AccessFacts) = 1,
        /// The access log was read; once for each session.
        AccessLogRead(AccessFacts) = 1,
        /// Proofs, or the entries of the Merkle log, were read; once for each session.
        ProofsRead(AccessFacts) = 1,
        /// The original of a webhook was opened.
        EvidenceOpened(AccessFacts) = 1,
        /// A quarantined webhook, at `firstPosition`, was read again and could be used; the new event is at
        /// `lastPosition`.
        WebhookReplayed(AccessFacts) = 1,
        /// A named consumer of the feed was made, or its filter or checkpoint set with it.
        ConsumerSet(AccessFacts) = 1,
        /// A named consumer of the feed was deleted, with its checkpoint.
        ConsumerDeleted(AccessFacts) = 1,
        /// One of the actions above was requested and refused; `action` names it, `refusal` says why.
        AccessRefused(AccessFacts) = 1,
    }
}

/// The kinds of secrets that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shown {
    /// The app password.
    AppPassword,
    /// The TOTP seed itself (RFC 6238): it makes codes for ever.
    AuthenticatorSecret,
    /// One code made from the seed.
    OneTimeCode,
    /// The exact body of a webhook, with all its credentials.
    Original,
    /// The account's password.
    Password,
}

/// The facts common to all of these events: who, why, from where, and about what. Fields that do not apply are absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessFacts {
    /// The requested action, if it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Who did it.
    pub actor: Actor,
    /// The address of the caller, as far as it can be trusted; none on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The call that was refused: its method, and its path with the names of its parameters in place of their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The named consumer of the feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// The kinds of credentials handed out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Shown>,
    /// The domain of the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// The first position of the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_position: Option<Position>,
    /// The public name of the new key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The last position of the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_position: Option<Position>,
    /// The mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox_id: Option<MailboxId>,
    /// The order of the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Whether the check passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    /// How many like refusals of the same actor were not recorded since the last recorded one: more came within a
    /// minute than are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<u64>,
    /// The projection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<String>,
    /// The reason, in the actor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// The token's revocation time in the table of tokens; none if the token has no row there. Older events do not have
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub revoked_at: Option<Timestamp>,
    /// The scopes of the token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// The row of the created token in the table of tokens; older events do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Box<MadeToken>>,
    /// The token that was created or revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    /// The calling program, by its own user agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl AccessFacts {
    /// The facts of an action by this actor; everything else is absent.
    pub fn by(actor: Actor) -> Self {
        Self {
            action: None,
            actor,
            address: None,
            call: None,
            consumer: None,
            credentials: Vec::new(),
            domain: None,
            first_position: None,
            key: None,
            last_position: None,
            mailbox_id: None,
            order_id: None,
            passed: None,
            passed_over: None,
            projection: None,
            reason: None,
            refusal: None,
            revoked_at: None,
            scopes: Vec::new(),
            subject: None,
            token: None,
            token_id: None,
            user_agent: None,
        }
    }
}

/// A created token, without its id and its scopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeToken {
    /// When it was created.
    #[serde(with = "crate::moment")]
    pub created_at: Timestamp,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::moment::optional")]
    pub expires_at: Option<Timestamp>,
    /// SHA-256 of the token, in hex: of 256 random bits, so the token cannot be computed from it.
    pub hash: String,
    /// Its name.
    pub name: String,
}

/// The person or program that acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The id of a token; `admin` for the token of the settings; `cli:<user of the system>`; `service` for the service
    /// itself.
    pub id: ActorId,
    /// The token's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Actor {
    /// The holder of a token.
    pub fn token(id: &TokenId, name: &str) -> Self {
        Self {
            id: ActorId::token(id),
            name: Some(name.to_owned()),
        }
    }

    /// The holder of the admin token of the settings.
    pub fn admin() -> Self {
        Self {
            id: ActorId::admin(),
            name: None,
        }
    }

    /// A system user on the command line.
    pub fn cli(user: &str) -> Self {
        Self {
            id: ActorId::cli(user),
            name: None,
        }
    }

    /// The service itself, acting on its own.
    pub fn service() -> Self {
        Self {
            id: ActorId::service(),
            name: None,
        }
    }
}

/// The action that was done or requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// See a mailbox's credentials.
    Reveal,
    /// Erase a subject.
    Erase,
    /// Put a subject under legal hold.
    Hold,
    /// Lift a legal hold.
    Release,
    /// Export events.
    Export,
    /// Rebuild a projection.
    Rebuild,
    /// Check the ledger.
    Verify,
    /// Compare a projection with a rebuild.
    CheckProjection,
    /// Make a token.
    CreateToken,
    /// Revoke a token.
    RevokeToken,
    /// Wrap the data keys anew.
    RotateKeys,
    /// Put a master key beside the others.
    AddMasterKey,
    /// Forget a master key.
    RetireMasterKey,
    /// Replace the key that signs checkpoints.
    RotateSigningKey,
    /// Read the feed of all events.
    ReadFeed,
    /// Read timelines of orders.
    ReadTimelines,
    /// Read the access log.
    ReadAccessLog,
    /// Read proofs, or entries of the Merkle log.
    ReadProofs,
    /// Open the original of a webhook.
    OpenEvidence,
    /// Read a quarantined webhook again.
    ReplayWebhook,
    /// Make a named consumer of the feed, or set its filter or checkpoint.
    SetConsumer,
    /// Delete a named consumer of the feed.
    DeleteConsumer,
    /// Read the views; recorded only if refused.
    ReadViews,
    /// Read the ledger's own data: subjects, consumers, checkpoints, keys, tiles of hashes; recorded only if refused.
    ReadLedger,
    /// List the tokens; recorded only if refused.
    ReadTokens,
    /// Operate the projections; recorded only if refused.
    Operate,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::Reveal,
        Self::Erase,
        Self::Hold,
        Self::Release,
        Self::Export,
        Self::Rebuild,
        Self::Verify,
        Self::CheckProjection,
        Self::CreateToken,
        Self::RevokeToken,
        Self::RotateKeys,
        Self::AddMasterKey,
        Self::RetireMasterKey,
        Self::RotateSigningKey,
        Self::ReadFeed,
        Self::ReadTimelines,
        Self::ReadAccessLog,
        Self::ReadProofs,
        Self::OpenEvidence,
        Self::ReplayWebhook,
        Self::SetConsumer,
        Self::DeleteConsumer,
        Self::ReadViews,
        Self::ReadLedger,
        Self::ReadTokens,
        Self::Operate,
    ];

    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reveal => "reveal",
            Self::Erase => "erase",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Export => "export",
            Self::Rebuild => "rebuild",
            Self::Verify => "verify",
            Self::CheckProjection => "checkProjection",
            Self::CreateToken => "createToken",
            Self::RevokeToken => "revokeToken",
            Self::RotateKeys => "rotateKeys",
            Self::AddMasterKey => "addMasterKey",
            Self::RetireMasterKey => "retireMasterKey",
            Self::RotateSigningKey => "rotateSigningKey",
            Self::ReadFeed => "readFeed",
            Self::ReadTimelines => "readTimelines",
            Self::ReadAccessLog => "readAccessLog",
            Self::ReadProofs => "readProofs",
            Self::OpenEvidence => "openEvidence",
            Self::ReplayWebhook => "replayWebhook",
            Self::SetConsumer => "setConsumer",
            Self::DeleteConsumer => "deleteConsumer",
            Self::ReadViews => "readViews",
            Self::ReadLedger => "readLedger",
            Self::ReadTokens => "readTokens",
            Self::Operate => "operate",
        }
    }
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Refusal {
    /// The token lacks the scope.
    Scope,
    /// The call came over plain HTTP.
    PlainHttp,
    /// Too many calls in a short time.
    RateLimit,
    /// No reason was given, or not an acceptable one.
    Reason,
    /// The object does not exist.
    Unknown,
    /// The subject was erased before.
    Erased,
    /// The subject is under legal hold.
    LegalHold,
    /// The token was revoked.
    Revoked,
    /// The token had expired.
    Expired,
}

impl Refusal {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::PlainHttp => "plainHttp",
            Self::RateLimit => "rateLimit",
            Self::Reason => "reason",
            Self::Unknown => "unknown",
            Self::Erased => "erased",
            Self::LegalHold => "legalHold",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl AccessEvent {
    /// The event of a refused request.
    pub fn refused(action: Action, refusal: Refusal, facts: AccessFacts) -> Self {
        Self::AccessRefused(AccessFacts {
            action: Some(action),
            refusal: Some(refusal),
            ..facts
        })
    }

    /// The facts common to all of these events.
    pub fn facts(&self) -> &AccessFacts {
        match self {
            Self::CredentialsRevealed(facts)
            | Self::SubjectErased(facts)
            | Self::SubjectHeld(facts)
            | Self::SubjectReleased(facts)
            | Self::Exported(facts)
            | Self::RebuildRequested(facts)
            | Self::Verified(facts)
            | Self::ProjectionChecked(facts)
            | Self::TokenCreated(facts)
            | Self::TokenRevoked(facts)
            | Self::KeysRotated(facts)
            | Self::MasterKeyAdded(facts)
            | Self::MasterKeyRetired(facts)
            | Self::SigningKeyRotated(facts)
            | Self::AuditFeedRead(facts)
            | Self::TimelinesRead(facts)
            | Self::AccessLogRead(facts)
            | Self::ProofsRead(facts)
            | Self::EvidenceOpened(facts)
            | Self::WebhookReplayed(facts)
            | Self::ConsumerSet(facts)
            | Self::ConsumerDeleted(facts)
            | Self::AccessRefused(facts) => facts,
        }
    }

    /// The action that was done, or requested and refused; none only for a refusal that does not name it.
    pub fn action(&self) -> Option<Action> {
        Some(match self {
            Self::CredentialsRevealed(_) => Action::Reveal,
            Self::SubjectErased(_) => Action::Erase,
            Self::SubjectHeld(_) => Action::Hold,
            Self::SubjectReleased(_) => Action::Release,
            Self::Exported(_) => Action::Export,
            Self::RebuildRequested(_) => Action::Rebuild,
            Self::Verified(_) => Action::Verify,
            Self::ProjectionChecked(_) => Action::CheckProjection,
            Self::TokenCreated(_) => Action::CreateToken,
            Self::TokenRevoked(_) => Action::RevokeToken,
            Self::KeysRotated(_) => Action::RotateKeys,
            Self::MasterKeyAdded(_) => Action::AddMasterKey,
            Self::MasterKeyRetired(_) => Action::RetireMasterKey,
            Self::SigningKeyRotated(_) => Action::RotateSigningKey,
            Self::AuditFeedRead(_) => Action::ReadFeed,
            Self::TimelinesRead(_) => Action::ReadTimelines,
            Self::AccessLogRead(_) => Action::ReadAccessLog,
            Self::ProofsRead(_) => Action::ReadProofs,
            Self::EvidenceOpened(_) => Action::OpenEvidence,
            Self::WebhookReplayed(_) => Action::ReplayWebhook,
            Self::ConsumerSet(_) => Action::SetConsumer,
            Self::ConsumerDeleted(_) => Action::DeleteConsumer,
            Self::AccessRefused(facts) => return facts.action,
        })
    }

    /// The stream of the event: each has its own, since it depends on no earlier event.
    pub fn stream(event_id: &EventId) -> StreamId {
        StreamId::access(event_id)
    }

    /// The subject in the event's envelope: the subject that it is about, else its own stream. It makes no data key for
    /// the subject, since none of it is sealed.
    pub fn subject(&self, stream: &StreamId) -> SubjectId {
        let subject = self.facts().subject.clone();
        subject.unwrap_or_else(|| SubjectId::stream(stream))
    }
}
