//! Follows the feed from outside: counts events by day and type, and survives being killed at any moment.
//!
//! ```sh
//! WARMLEDGER_TOKEN=… cargo run --example follow_feed -- counts.json
//! ```
//!
//! The position is kept together with the counts, so that both move together; what comes again is left out by it. The
//! consumer's checkpoint tells the service how far we are: see `GET /api/v1/consumers`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const NAME: &str = "counts-rs";

/// What is counted, and up to where.
#[derive(Default, Serialize, Deserialize)]
struct State {
    position: u64,
    counts: BTreeMap<String, u64>,
}

impl State {
    fn load(file: &Path) -> anyhow::Result<Self> {
        match file.exists() {
            true => Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?),
            false => Ok(Self::default()),
        }
    }

    /// All of it or, if we are killed, nothing.
    fn save(&self, file: &Path) -> anyhow::Result<()> {
        let new = file.with_extension("new");
        std::fs::write(&new, serde_json::to_string(self)?)?;
        Ok(std::fs::rename(new, file)?)
    }

    /// One block of the stream, without the empty line at its end. Tells whether it is a heartbeat.
    fn fold(&mut self, block: &str) -> anyhow::Result<bool> {
        let mut position = self.position;
        let mut quiet = false;
        for line in block.lines() {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("id", id) => position = id.parse()?,
                ("data", data) => {
                    let event: Value = serde_json::from_str(data)?;
                    let day = event["time"].as_str().and_then(|time| time.get(..10));
                    let kind = event["type"].as_str();
                    let key = format!("{} {}", day.context("no time")?, kind.context("no type")?);
                    *self.counts.entry(key).or_default() += 1;
                }
                ("", _) => quiet = true,
                _ => {}
            }
        }
        self.position = position;
        Ok(quiet)
    }
}

struct Service {
    client: Client,
    base: String,
    token: String,
}

impl Service {
    fn call(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.token)
    }

    async fn commit(&self, position: u64) -> anyhow::Result<()> {
        let put = self.client.put(format!("{}/consumers/{NAME}", self.base));
        let body = json!({"position": position, "rewind": true});
        self.call(put).json(&body).send().await?.error_for_status()?;
        Ok(())
    }

    /// Reads until the connection ends.
    async fn follow(&self, file: &Path) -> anyhow::Result<()> {
        let mut state = State::load(file)?;
        let get = self.client.get(format!("{}/events/stream", self.base));
        let request = self.call(get).header("last-event-id", state.position);
        let mut response = request.send().await?.error_for_status()?;
        let (mut buffer, mut saved) = (Vec::new(), Instant::now());
        while let Some(chunk) = response.chunk().await? {
            buffer.extend_from_slice(&chunk);
            let mut quiet = false;
            while let Some(end) = buffer.windows(2).position(|two| two == b"\n\n") {
                quiet = state.fold(std::str::from_utf8(&buffer[..end])?)?;
                buffer.drain(..end + 2);
            }
            if quiet || saved.elapsed() > Duration::from_secs(1) {
                state.save(file)?;
                self.commit(state.position).await?;
                saved = Instant::now();
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let file = std::env::args_os().nth(1).context("usage: follow_feed FILE")?;
    let file = PathBuf::from(file);
    let base = std::env::var("WARMLEDGER_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let service = Service {
        client: Client::new(),
        base: format!("{base}/api/v1"),
        token: std::env::var("WARMLEDGER_TOKEN").context("WARMLEDGER_TOKEN is not set")?,
    };
    loop {
        if let Err(error) = service.follow(&file).await {
            eprintln!("connecting again: {error:#}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
