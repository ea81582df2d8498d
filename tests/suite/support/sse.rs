//! A reader of server-sent events.

use std::time::Duration;

use crate::support::api::Client;
use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

/// Time-out, longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open event stream.
pub struct Sse {
    response: Response,
    buffer: String,
    /// The `Last-Event-ID` that a browser would send.
    pub last_id: Option<u64>,
}

/// The lines between two empty lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub id: Option<u64>,
    pub event: Option<String>,
    pub data: Option<Value>,
    pub comment: Option<String>,
}

impl Sse {
    /// Connects; returns any answer.
    pub async fn call(base: &str, token: &str, query: &str, last_id: Option<u64>) -> reqwest::Result<Response> {
        let request = Client::new().get(format!("{base}/api/v1/events/stream{query}"));
        let request = request.bearer_auth(token);
        match last_id {
            Some(id) => request.header("last-event-id", id).send().await,
            None => request.send().await,
        }
    }

    /// Connects; none if the connection is refused.
    pub async fn try_open(base: &str, token: &str, query: &str, last_id: Option<u64>) -> Option<Self> {
        let response = Self::call(base, token, query, last_id).await.ok()?;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Some(Self {
            response,
            buffer: String::new(),
            last_id,
        })
    }

    pub async fn open(base: &str, token: &str, query: &str, last_id: Option<u64>) -> Self {
        let opened = Self::try_open(base, token, query, last_id).await;
        opened.expect("the service listens")
    }

    /// The next block; none at the end, or if the connection is lost.
    pub async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (parse(block), rest.to_owned());
                self.buffer = rest;
                self.last_id = block.id.or(self.last_id);
                return Some(block);
            }
            let chunk = timeout(PATIENCE, self.response.chunk())
                .await
                .expect("not even a heartbeat");
            self.buffer.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The next event; none at the end.
    pub async fn event(&mut self) -> Option<Value> {
        loop {
            let block = self.block().await?;
            if let Some(data) = block.data {
                assert_eq!(block.id, data["position"].as_u64());
                assert_eq!(block.event.as_deref(), data["type"].as_str());
                return Some(data);
            }
        }
    }

    /// The positions of the next `count` events.
    pub async fn positions(&mut self, count: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        while positions.len() < count {
            let event = self.event().await.expect("the stream goes on");
            positions.push(event["position"].as_u64().unwrap());
        }
        positions
    }
}

fn parse(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines() {
        match line.split_once(": ").unwrap_or_else(|| panic!("{line:?}")) {
            ("id", id) => block.id = Some(id.parse().unwrap()),
            ("event", event) => block.event = Some(event.to_owned()),
            ("data", data) => block.data = Some(serde_json::from_str(data).unwrap()),
            ("", comment) => block.comment = Some(comment.to_owned()),
            ("retry", milliseconds) => assert!(milliseconds.parse::<u32>().is_ok()),
            _ => panic!("{line:?} is no field of an event stream"),
        }
    }
    block
}
