//! The results of a round of ingest, and of all rounds.

use serde::Serialize;

use crate::contender::Contender;
use crate::cpu::Cpu;
use crate::folding::Folding;
use crate::load::LoadOutcome;
use crate::machine::Machine;

/// One round of one contender.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Round {
    pub(crate) contender: Contender,
    pub(crate) senders: usize,
    #[serde(flatten)]
    pub(crate) outcome: LoadOutcome,
    /// Bytes on disk per webhook.
    pub(crate) bytes: f64,
    /// The progress of the views meanwhile, if it has views.
    pub(crate) folding: Option<Folding>,
    /// Microseconds per webhook.
    pub(crate) cpu: Cpu,
}

/// All measurements of a run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) seconds: f64,
    pub(crate) mean_body: f64,
    pub(crate) plain_pool: u32,
    pub(crate) rounds: Vec<Round>,
}
