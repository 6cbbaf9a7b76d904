//! The listener: HTTP/1.1 with keep-alive, bounded in connections and in the time a head may take.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use kit::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections at once; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 4096;
/// A request's head must be there within this; it also ends idle keep-alive connections.
const HEAD: Duration = Duration::from_secs(60);
/// Bytes of a head at most.
const MAX_HEAD: usize = 32 * 1024;
/// After a failed accept (no file descriptors left): wait for some to come back.
const BREATHE: Duration = Duration::from_millis(100);

/// Serves until the stop; then finishes the requests under way.
pub(crate) async fn serve(listener: TcpListener, app: Router, shutdown: &Shutdown) {
    let stop = shutdown.token();
    let tracker = shutdown.tracker();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { return };
        match accepted {
            Ok((socket, _)) => {
                let (app, stop) = (app.clone(), stop.clone());
                tracker.spawn(async move {
                    connection(socket, app, stop).await;
                    drop(permit);
                });
            }
            Err(e) => {
                tracing::warn!(error = %e, "connection not accepted");
                tokio::time::sleep(BREATHE).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, app: Router, stop: CancellationToken) {
    // Answers are small and waited for.
    drop(socket.set_nodelay(true));
    let service = TowerToHyperService::new(
        app.map_request(|r: hyper::Request<hyper::body::Incoming>| r.map(Body::new)),
    );
    let conn = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .keep_alive(true)
        .serve_connection(TokioIo::new(socket), service);
    tokio::pin!(conn);
    tokio::select! {
        // Clients that go away are no news.
        ended = conn.as_mut() => drop(ended),
        () = stop.cancelled() => {
            conn.as_mut().graceful_shutdown();
            drop(conn.await);
        }
    }
}
