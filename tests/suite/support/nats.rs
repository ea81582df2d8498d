//! A NATS server for one test, which can be killed.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream;
use futures_util::StreamExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use warmledger::tls::Certificates;

/// `nats-server -js` on its own port and directory. Killed when dropped.
pub struct NatsServer {
    port: u16,
    dir: TempDir,
    /// Lines of its configuration.
    config: String,
    /// The certificates of its clients, if it uses TLS.
    certificates: Option<Certificates>,
    process: Option<Child>,
}

/// A message as a consumer receives it.
pub struct Message {
    pub subject: String,
    pub id: String,
    pub event: Value,
    headers: HeaderMap,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(ToString::to_string)
    }
}

impl NatsServer {
    /// A server that is not started yet.
    pub fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            port: free.local_addr().unwrap().port(),
            dir: tempfile::tempdir().unwrap(),
            config: String::new(),
            certificates: None,
            process: None,
        }
    }

    /// A server with a limit on message size, in bytes.
    pub fn taking(largest: u32) -> Self {
        let mut server = Self::new();
        server.config = format!("max_payload: {largest}\n");
        server
    }

    /// A server that uses TLS, with these lines of configuration and these client certificates.
    pub fn encrypted(config: &str, certificates: Certificates) -> Self {
        let mut server = Self::new();
        server.config = config.to_owned();
        server.certificates = Some(certificates);
        server
    }

    /// An empty server on the port of another that was killed.
    pub fn at(other: &Self) -> Self {
        Self {
            port: other.port,
            dir: tempfile::tempdir().unwrap(),
            config: String::new(),
            certificates: None,
            process: None,
        }
    }

    /// The number of messages in the stream; 0 if there is no stream.
    pub async fn count(&self) -> u64 {
        let client = self.connect().await.unwrap();
        let stream = jetstream::new(client).get_stream("WARMLEDGER").await;
        stream.map_or(0, |stream| stream.cached_info().state.messages)
    }

    pub fn url(&self) -> String {
        match self.certificates {
            Some(_) => format!("tls://localhost:{}", self.port),
            None => format!("nats://127.0.0.1:{}", self.port),
        }
    }

    async fn connect(&self) -> Result<async_nats::Client, async_nats::ConnectError> {
        let options = async_nats::ConnectOptions::new();
        let options = match &self.certificates {
            Some(certificates) => options.tls_client_config(certificates.client_config().unwrap()),
            None => options,
        };
        options.connect(self.url()).await
    }

    /// Starts or restarts it; returns once it accepts connections.
    pub async fn start(&mut self) {
        let debian = Path::new("/usr/sbin/nats-server");
        let program = if debian.exists() {
            debian
        } else {
            Path::new("nats-server")
        };
        let config = self.dir.path().join("nats.conf");
        std::fs::write(&config, &self.config).unwrap();
        let process = Command::new(program)
            .arg("-c")
            .arg(config)
            .args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string(), "-sd"])
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the package nats-server is installed; ./test does that");
        self.process = Some(process);
        let begun = Instant::now();
        while self.connect().await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "NATS does not start");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills it (SIGKILL), as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// The first `count` messages of the stream, as a consumer receives them.
    pub async fn messages(&self, count: usize) -> Vec<Message> {
        let client = self.connect().await.unwrap();
        let stream = jetstream::new(client).get_stream("WARMLEDGER").await.unwrap();
        assert_eq!(stream.cached_info().state.messages, count as u64, "no more and no less");
        let config = jetstream::consumer::pull::Config::default();
        let consumer = stream.create_consumer(config).await.unwrap();
        let mut messages = consumer.messages().await.unwrap();
        let mut received = Vec::new();
        while received.len() < count {
            let next = timeout(Duration::from_secs(30), messages.next()).await;
            let message = next.expect("the stream goes on").unwrap().unwrap();
            message.ack().await.unwrap();
            let headers = message.headers.clone().unwrap();
            received.push(Message {
                subject: message.subject.to_string(),
                id: headers.get(NATS_MESSAGE_ID).unwrap().to_string(),
                event: serde_json::from_slice(&message.payload).unwrap(),
                headers,
            });
        }
        received
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}
