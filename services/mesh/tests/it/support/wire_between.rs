//! A network path that can be cut: while it is, bytes are neither passed on nor refused.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Wire {
    /// Dial this instead.
    pub(crate) port: u16,
    is_cut: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn lay(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_cut = watch::Sender::new(false);
        let flow = is_cut.subscribe();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let flow = flow.clone();
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                    let ((nr, nw), (fr, fw)) = (near.into_split(), far.into_split());
                    tokio::join!(pass(nr, fw, flow.clone()), pass(fr, nw, flow));
                });
            }
        });
        Self { port, is_cut }
    }

    pub(crate) fn cut(&self, cut: bool) {
        self.is_cut.send_replace(cut);
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut is_cut: watch::Receiver<bool>,
) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let n = from.read(&mut buffer).await.unwrap_or(0);
        if is_cut.wait_for(|cut| !cut).await.is_err() || n == 0 || to.write_all(&buffer[..n]).await.is_err() {
            drop(to.shutdown().await);
            return;
        }
    }
}
