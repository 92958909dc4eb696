/* Debian builds XFoil with floating-point traps; one division by zero then ends the process.
   Loaded with LD_PRELOAD, this keeps the Fortran runtime from switching the traps on. */
void _gfortran_set_fpe(int flags) { (void)flags; }
