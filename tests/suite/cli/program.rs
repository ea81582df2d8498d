//! Runs the binary on a test's database, without the settings of the user who runs the tests.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::Database;

/// Time-out, longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, with a working directory of its own.
pub struct Program {
    /// The command that starts it; empty for the program itself.
    wrapper: Vec<String>,
    args: Vec<OsString>,
    environment: Vec<(String, String)>,
    pub directory: TempDir,
}

/// The result of a run.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Program {
    /// On this database and its data directory.
    pub fn new(database: &Database) -> Self {
        let mut program = Self::bare().env("WARMLEDGER_DATABASE_URL", &database.url);
        program.args = vec!["--data-dir".into(), database.dir.path().into()];
        program
    }

    /// Without any settings.
    pub fn bare() -> Self {
        Self {
            wrapper: Vec::new(),
            args: Vec::new(),
            environment: Vec::new(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Started by another program, which gets it and its arguments as its last ones.
    pub fn through(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    fn command(&self, args: &str) -> Command {
        let own = env!("CARGO_BIN_EXE_warmledger");
        let mut command = match self.wrapper.split_first() {
            None => Command::new(own),
            Some((wrapper, rest)) => {
                let mut command = Command::new(wrapper);
                command.args(rest).arg(own);
                command
            }
        };
        let own = std::env::vars_os().map(|(name, _)| name);
        own.filter(|name| name.to_string_lossy().starts_with("WARMLEDGER_"))
            .for_each(|name| {
                command.env_remove(name);
            });
        command
            .args(&self.args)
            .args(args.split_whitespace())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub async fn run(&self, args: &str) -> Ended {
        self.run_with(args, "").await
    }

    /// Runs it to its end with this stdin.
    pub async fn run_with(&self, args: &str, stdin: &str) -> Ended {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let feed = async move {
            // a command that doesn't read its stdin may have ended already
            let _ = input.write_all(stdin.as_bytes()).await;
        };
        let (output, ()) = timeout(PATIENCE, async { tokio::join!(child.wait_with_output(), feed) })
            .await
            .unwrap_or_else(|_| panic!("`{args}` does not end"));
        let output = output.unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts it; a signal stops it.
    pub fn start(&self, args: &str) -> Running {
        let mut child = self.command(args).spawn().unwrap();
        // read all the time: a full pipe would block the program
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (told, stderr) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = told.send(line);
            }
        });
        Running {
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            stderr,
            child,
        }
    }
}

/// A running program.
pub struct Running {
    pub stdout: Lines<BufReader<ChildStdout>>,
    stderr: mpsc::UnboundedReceiver<String>,
    child: Child,
}

impl Running {
    /// The first line on stderr that holds the text; earlier lines are skipped.
    pub async fn told(&mut self, text: &str) -> String {
        let search = async {
            while let Some(line) = self.stderr.recv().await {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("it ended without a word of {text:?}");
        };
        timeout(PATIENCE, search)
            .await
            .unwrap_or_else(|_| panic!("not a word of {text:?}"))
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next line on stdout.
    pub async fn line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.stdout.next_line()).await.unwrap().unwrap()
    }

    /// Sends a signal by name, e.g. `TERM`, and waits for the end. Returns the exit code and the rest of stderr.
    pub async fn signal(mut self, name: &str) -> (Option<i32>, String) {
        let process = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().await;
        assert!(sent.unwrap().success());
        let mut rest = String::new();
        let status = timeout(PATIENCE, async {
            while let Some(line) = self.stderr.recv().await {
                rest.push_str(&line);
                rest.push('\n');
            }
            self.child.wait().await
        })
        .await
        .expect("the signal does not end it");
        (status.unwrap().code(), rest)
    }

    /// Closes the pipe of its stdout and waits for the end. Returns the exit code.
    pub async fn close_stdout(self) -> Option<i32> {
        let Self { stdout, mut child, .. } = self;
        drop(stdout);
        timeout(PATIENCE, child.wait())
            .await
            .expect("a closed pipe does not end it")
            .unwrap()
            .code()
    }
}
