mod acts;
mod entry;
mod exit;
mod replay;
mod rights;
mod staff;
