//! The forms that cross processes: golden files, there and back, hostile bytes, sizes.

mod golden;
mod hostile;
mod sample;
mod size;
