//! A connection's bytes. A read fails when the awaited bytes do not come in time, a write when the other end takes none
//! for too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::seat::Seat;

/// How long the other end may take no bytes of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Line {
    stream: TcpStream,
    seat: Arc<Seat>,
    reading: Pin<Box<Sleep>>,
    writing: Option<Pin<Box<Sleep>>>,
    /// Bytes of an incomplete head.
    head: usize,
}

impl Line {
    pub(super) fn new(stream: TcpStream, seat: Arc<Seat>) -> Self {
        Self {
            stream,
            seat,
            reading: Box::pin(sleep_until(Instant::now())),
            writing: None,
            head: 0,
        }
    }

    /// Counts the bytes of a head against the budget.
    ///
    /// # Errors
    /// If the budget has no room for them.
    fn heard(&mut self, count: usize) -> io::Result<()> {
        if !self.seat.heard() {
            return Ok(());
        }
        self.head += count;
        if self.seat.hold_bytes(count) {
            Ok(())
        } else {
            Err(ended("no_room_for_head"))
        }
    }

    fn release(&mut self) {
        if self.head > 0 {
            self.seat.release_bytes(std::mem::take(&mut self.head));
        }
    }

    /// The result of a write; an error if none has succeeded for too long.
    fn written(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if poll.is_ready() {
            self.writing = None;
            return poll;
        }
        let deadline = || Box::pin(sleep_until(Instant::now() + WRITE_TIMEOUT));
        ready!(self.writing.get_or_insert_with(deadline).as_mut().poll(context));
        Poll::Ready(Err(ended("slow_reader")))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.release();
    }
}

fn ended(reason: &'static str) -> io::Error {
    metrics::counter!("warmledger_connections_closed_total", "reason" => reason).increment(1);
    io::ErrorKind::TimedOut.into()
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.seat.awaits_head() {
            self.release();
        }
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        if poll.is_ready() {
            let count = buffer.filled().len() - before;
            return match count {
                0 => poll,
                _ => Poll::Ready(self.heard(count)),
            };
        }
        let Some((deadline, reason)) = self.seat.read_deadline() else {
            return Poll::Pending;
        };
        if self.reading.deadline() != deadline {
            self.reading.as_mut().reset(deadline);
        }
        ready!(self.reading.as_mut().poll(context));
        Poll::Ready(Err(ended(reason)))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
