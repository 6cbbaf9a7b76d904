//! The listener: HTTP/1.1 with keep-alive. What it bears is [`crate::limits`]' to say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use kit::files::{self, Intake};
use kit::{Health, Shutdown};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, service_fn};

use crate::gateway::Gateway;
use crate::limits::{Seat, Watched, finish_with};
use crate::tls::{Door, Io};

/// Bytes of a head at most; more is 431.
const MAX_HEAD: usize = 32 * 1024;
/// Header fields at most; more is 431.
const MAX_HEADERS: usize = 64;
/// After a failed accept (no file handles left): wait for some to come back.
const BREATHE: Duration = Duration::from_millis(50);

/// Serves until the stop; then finishes the requests under way.
pub(crate) async fn serve(
    listener: TcpListener,
    door: Door,
    app: Router,
    gw: Gateway,
    health: Health,
    shutdown: &Shutdown,
) {
    let stop = shutdown.token();
    let tracker = shutdown.tracker();
    let (connections, intake) = (gw.connections().clone(), Intake::new(health));
    let (watching, counting) = (stop.clone(), gw.clone());
    tracker.spawn(connections.clone().watch(watching, move |why| counting.metrics().refused(why)));
    loop {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { return };
        match accepted {
            Ok((socket, from)) => {
                intake.works();
                // None: everybody is at work. A closed door says so sooner than a queue nobody sees the end of.
                let Some(place) = connections.take(from.ip(), gw.metrics()) else { continue };
                let (app, stop, door) = (app.clone(), stop.clone(), door.clone());
                tracker.spawn(async move {
                    let seat = place.seat.clone();
                    // Answers are small and waited for.
                    drop(socket.set_nodelay(true));
                    let serving = async {
                        if let Some(io) = door.open(socket).await {
                            connection(io, from, app, seat.clone(), stop).await;
                        }
                    };
                    seat.end.run_until_cancelled(serving).await;
                    drop(place);
                });
            }
            Err(e) => {
                intake.failed(&e);
                if files::are_out(&e) {
                    connections.give_way(gw.metrics());
                }
                tokio::time::sleep(BREATHE).await;
            }
        }
    }
}

async fn connection(
    io: Box<dyn Io>,
    from: SocketAddr,
    app: Router,
    seat: Arc<Seat>,
    stop: CancellationToken,
) {
    let io = TokioIo::new(Watched::new(io, seat.clone()));
    let service = TowerToHyperService::new(service_fn(move |r: hyper::Request<hyper::body::Incoming>| {
        let (app, seat) = (app.clone(), seat.clone());
        async move {
            let work = seat.begin();
            let mut request = r.map(Body::new);
            request.extensions_mut().insert(seat);
            request.extensions_mut().insert(ConnectInfo(from));
            let answered: Result<Response, std::convert::Infallible> = app.oneshot(request).await;
            answered.map(|response| finish_with(response, work))
        }
    }));
    let conn = http1::Builder::new()
        .timer(TokioTimer::new())
        // Heads and idle times are the seat's.
        .header_read_timeout(None)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .keep_alive(true)
        .serve_connection(io, service);
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
