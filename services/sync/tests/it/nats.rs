//! A real bus on a free loopback port.

use std::process::{Child, Command, Stdio};

/// A running server; killed when dropped.
pub(crate) struct Nats {
    port: u16,
    child: Option<Child>,
}

impl Nats {
    pub(crate) fn start() -> Self {
        let port = ports::free().unwrap();
        let mut n = Self { port, child: None };
        n.again();
        n
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut c) = self.child.take() {
            c.kill().unwrap();
            c.wait().unwrap();
        }
    }

    pub(crate) fn again(&mut self) {
        let port = self.port.to_string();
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is installed");
        self.child = Some(child);
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
