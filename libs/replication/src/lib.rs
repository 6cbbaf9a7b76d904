//! parkmesh.
