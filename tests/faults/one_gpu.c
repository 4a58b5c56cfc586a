/* The driver's library of a machine with one GPU, as far as the queue asks it. */

int nvmlInit_v2(void) { return 0; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = 1;
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned number, void **handle) {
    *handle = (void *)(unsigned long)(number + 1);
    return number != 0;
}

int nvmlDeviceGetUtilizationRates(void *handle, void *into) { return 1; }

int nvmlDeviceGetMemoryInfo(void *handle, void *into) { return 1; }

int nvmlDeviceGetPowerUsage(void *handle, unsigned *into) { return 1; }
