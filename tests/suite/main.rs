//! The whole service under test: the production builder, real stores, real HTTP.
//!
//! Every guarantee is tested on both stores. PostgreSQL is found through `WARMLEDGER_TEST_POSTGRES_URL`, which `./test`
//! sets; each test creates its own database on that server and drops it.

//! Layout
//! - `ingest`, `edge`, `quarantine`, `evidence`: webhooks come in, are refused, set aside, opened again
//! - `deliveries`, `refused`: what came and how it was answered; refused webhooks that are kept aside
//! - `conformance`: what each store and the ledger on it promise; `statements`: their SQL
//! - `http_api`, `feed`, `cli`: the API against its document; consumers; the program itself
//! - `access`, `secrets`, `erasure`, `emails`, `keys`, `tls`: who may do what; planted secrets; erasing; finding an
//!   address; keys; encryption
//! - `as_of`, `parked`, `rebuilds`, `sustained`: views in the past, with a fault, anew, under a load that lasts
//! - `tree`, `leaves`, `schema`, `upgrades`, `backup`: proofs; the database's objects; frozen ledgers; copies
//! - `crash`, `postgres_killed`, `failover`, `vanished`, `bad_day`: what breaks
//! - `leases`, `takeover`, `processes`, `neighbours`: several processes and ledgers on one database
//! - `opening`, `waiting`, `readiness`, `starvation`, `clocks`, `write_ahead`: starts, limits, clocks, files
//! - `support`: databases, services, servers and links for a test

#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod access;
mod as_of;
mod backup;
mod bad_day;
mod cli;
mod clocks;
mod conformance;
mod crash;
mod deliveries;
mod edge;
mod emails;
mod erasure;
mod evidence;
mod failover;
mod feed;
mod http_api;
mod ingest;
mod keys;
mod leases;
mod leaves;
mod neighbours;
mod opening;
mod parked;
mod postgres_killed;
mod processes;
mod quarantine;
mod readiness;
mod rebuilds;
mod refused;
mod schema;
mod secrets;
mod starvation;
mod statements;
mod support;
mod sustained;
mod takeover;
mod tls;
mod tree;
mod upgrades;
mod vanished;
mod waiting;
mod write_ahead;
