//! The whole service under test: the production builder, real stores, real HTTP.
//!
//! Every guarantee is tested on both stores. PostgreSQL is found through `WARMLEDGER_TEST_POSTGRES_URL`, which `./test`
//! sets; each test creates its own database on that server and drops it.

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
mod edge;
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
