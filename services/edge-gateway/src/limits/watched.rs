//! A socket that tells its seat what happens on it, and a body that ends a request when it has gone out.
//!
//! A head that cannot be read never becomes a request: the HTTP library answers it by itself, with a bare status. The socket gives it the
//! form of every other refusal.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Seat;
use super::seat::AtWork;
use crate::problem::Refused;

/// See the module.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    io: S,
    seat: Arc<Seat>,
    instead: Option<Instead>,
}

/// What is sent in place of a bare refusal.
#[derive(Debug)]
struct Instead {
    /// What is left of it.
    left: Bytes,
    /// Bytes of the bare one, which are taken for sent at the end.
    of: usize,
}

impl<S> Watched<S> {
    /// Watches a socket.
    pub(crate) fn new(io: S, seat: Arc<Seat>) -> Self {
        Self { io, seat, instead: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.seat.heard(Instant::now());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        if me.instead.is_none() && me.seat.is_idle() {
            me.instead = in_form(buf).map(|left| Instead { left, of: buf.len() });
        }
        while let Some(instead) = &mut me.instead {
            if instead.left.is_empty() {
                let of = instead.of;
                me.instead = None;
                return Poll::Ready(Ok(of));
            }
            let polled = Pin::new(&mut me.io).poll_write(cx, &instead.left);
            match me.seat.sending_is(polled) {
                Poll::Ready(Ok(n)) if n > 0 => instead.left.advance(n),
                other => return other,
            }
        }
        let polled = Pin::new(&mut me.io).poll_write(cx, buf);
        me.seat.sending_is(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A bare refusal comes alone.
        let first = bufs.iter().find(|b| !b.is_empty()).map_or(&[][..], |b| &**b);
        if self.instead.is_some() || self.seat.is_idle() && in_form(first).is_some() {
            return self.poll_write(cx, first);
        }
        let me = &mut *self;
        let polled = Pin::new(&mut me.io).poll_write_vectored(cx, bufs);
        me.seat.sending_is(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A bare refusal of a head in the form of all others. None for everything else; our own refusals always have a body.
fn in_form(bytes: &[u8]) -> Option<Bytes> {
    let code = match bytes.get(..13)? {
        b"HTTP/1.1 400 " => "malformed_request",
        b"HTTP/1.1 414 " | b"HTTP/1.1 431 " => "head_too_large",
        _ => return None,
    };
    if !bytes.windows(21).any(|w| w.eq_ignore_ascii_case(b"\r\ncontent-length: 0\r\n")) {
        return None;
    }
    let refused = Refused::new(code, "the head of the request cannot be read");
    let body = serde_json::to_string(refused.problem()).ok()?;
    let status = std::str::from_utf8(bytes).ok()?.lines().next()?;
    let head = format!(
        "{status}\r\ncontent-type: application/problem+json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Some(format!("{head}{body}").into())
}

/// The request is at work until its answer's body has gone.
pub(crate) fn finish_with(response: Response, work: AtWork) -> Response {
    response.map(|body| Body::new(Finishing { body, _work: work }))
}

struct Finishing {
    body: Body,
    _work: AtWork,
}

impl HttpBody for Finishing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
