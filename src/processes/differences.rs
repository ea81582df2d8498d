//! Secrets that another process holds and this one lacks. Each process reports its own: the one that holds less is the
//! one that behaves differently.

use store::{Process, SeenProcess};

/// A secret that all processes should share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// The newest master key.
    MasterKey,
    /// The key that signs checkpoints.
    SigningKey,
    /// The admin token.
    AdminToken,
    /// The webhook keys.
    WebhookKey,
}

impl Thing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::MasterKey, Self::SigningKey, Self::AdminToken, Self::WebhookKey];

    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::MasterKey => "master_key",
            Self::SigningKey => "signing_key",
            Self::AdminToken => "admin_token",
            Self::WebhookKey => "webhook_key",
        }
    }
}

/// A secret that this process lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What kind.
    pub thing: Thing,
    /// Which one, and the remedy. Names hosts, and no secret.
    pub detail: String,
}

/// What `own` lacks; `signs` is the public half of the key that signs checkpoints, in hex.
pub(super) fn of(own: &Process, seen: &[SeenProcess], signs: Option<&str>) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    let mut tell = |thing: Thing, detail: String| {
        if !found.iter().any(|known| known.detail == detail) {
            found.push(Difference { thing, detail });
        }
    };
    let holds = &own.holds;
    if signs.is_some_and(|key| !holds.signing_keys.iter().any(|own| own == key)) {
        let detail = "the key that signs checkpoints is missing here: if no process has it, no checkpoints are signed; put a copy \
                      of its ledger-signing.key into this process's data directory";
        tell(Thing::SigningKey, detail.to_owned());
    }
    for other in seen.iter().map(|seen| &seen.process).filter(|other| other.id != own.id) {
        let host = &other.host;
        if let Some(newest) = other.holds.master_keys.first()
            && !holds.master_keys.contains(newest)
        {
            let detail = format!(
                "master key {newest} of {host} is missing here: put it beside the others, or a rotation to it has to leave this \
                 process behind"
            );
            tell(Thing::MasterKey, detail);
        }
        if other.holds.admin_token != holds.admin_token {
            let detail = format!(
                "the admin token here is another one than that of {host}: what one of them answers, the other refuses; give all the \
                 same"
            );
            tell(Thing::AdminToken, detail);
        }
        for (source, keys) in &other.holds.webhook_keys {
            let known = holds.webhook_keys.get(source);
            if known.is_none() {
                let detail =
                    format!("the source {source} of {host} is not configured here: its webhooks are answered 404");
                tell(Thing::WebhookKey, detail);
            } else if keys.iter().any(|key| known.is_some_and(|known| !known.contains(key))) {
                let detail = format!(
                    "{host} has a webhook key of the source {source} that is missing here: webhooks that are signed with it are \
                     answered 401; give all the same keys"
                );
                tell(Thing::WebhookKey, detail);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Holds;

    fn process(id: &str, change: impl FnOnce(&mut Holds)) -> Process {
        let mut holds = Holds {
            master_keys: vec!["k1".to_owned()],
            signing_keys: vec!["s1".to_owned()],
            admin_token: "a".to_owned(),
            webhook_keys: [("main".to_owned(), vec!["w1".to_owned()])].into(),
        };
        change(&mut holds);
        Process {
            id: id.to_owned(),
            host: format!("host-{id}"),
            pid: 1,
            data_dir: "/d".to_owned(),
            version: "1".to_owned(),
            holds,
        }
    }

    fn things(own: &Process, other: Process, signs: &str) -> Vec<Thing> {
        let seen = [own.clone(), other].map(|process| SeenProcess {
            process,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            seen_at: jiff::Timestamp::UNIX_EPOCH,
            beats: 1,
        });
        let found = of(own, &seen, Some(signs));
        found.into_iter().map(|difference| difference.thing).collect()
    }

    #[test]
    fn the_process_that_has_less_is_told() {
        let own = process("a", |_| {});
        assert_eq!(things(&own, process("b", |_| {}), "s1"), []);
        assert_eq!(things(&own, process("b", |_| {}), "s2"), [Thing::SigningKey]);
        let rotated = |holds: &mut Holds| holds.master_keys.insert(0, "k2".to_owned());
        assert_eq!(things(&own, process("b", rotated), "s1"), [Thing::MasterKey]);
        assert_eq!(things(&process("b", rotated), own.clone(), "s1"), []);
        let more = |holds: &mut Holds| {
            let keys = vec!["w2".to_owned(), "w1".to_owned()];
            holds.webhook_keys.insert("main".to_owned(), keys);
        };
        assert_eq!(things(&own, process("b", more), "s1"), [Thing::WebhookKey]);
        assert_eq!(things(&process("b", more), own.clone(), "s1"), []);
        let sandbox = |holds: &mut Holds| drop(holds.webhook_keys.insert("sandbox".to_owned(), Vec::new()));
        assert_eq!(things(&own, process("b", sandbox), "s1"), [Thing::WebhookKey]);
        let other = |holds: &mut Holds| holds.admin_token = "b".to_owned();
        assert_eq!(things(&own, process("b", other), "s1"), [Thing::AdminToken]);
    }
}
