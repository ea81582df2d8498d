//! A client of the API: one connection, one call at a time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::load;

/// How long to retry a call that is answered 503.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Client {
    stream: TcpStream,
    host: SocketAddr,
    token: String,
    answer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(host: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host,
            token: token.to_owned(),
            answer: Vec::new(),
        })
    }

    /// The body of an answer; an error if the status is not 200.
    async fn call(&mut self, path: &str) -> anyhow::Result<&[u8]> {
        let Self { host, token, .. } = self;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        load::read_answer(&mut self.stream, &mut self.answer).await
    }

    /// The latency of a call that answers with an object.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Duration> {
        let sent = Instant::now();
        let body = self.call(path).await?;
        ensure!(body.starts_with(b"{"), "{path} was not answered with an object");
        Ok(sent.elapsed())
    }

    pub(crate) async fn text(&mut self, path: &str) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.call(path).await?.to_vec())?)
    }

    /// Retries until the answer is ready, as a client does after a 503.
    pub(crate) async fn until_there(&mut self, path: &str, pause: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            match self.get(path).await {
                Ok(_) => return Ok(begun.elapsed()),
                Err(_) if self.answer.starts_with(b"HTTP/1.1 503 ") && begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(pause).await;
                }
                Err(error) => return Err(error.context(path.to_owned())),
            }
        }
    }
}
