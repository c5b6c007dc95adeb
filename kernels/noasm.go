package kernels

// haveAssembly says that this build has the assembly routines.
const haveAssembly = false
