/* NVML of one GPU at 0000:65:00.0, as far as clocks are read; fake_limit sets what holds them,
   fake_break what a reading comes to, fake_miss what opening it comes to. */
#include <string.h>

static unsigned long long reasons = 0;
static int broken = 0;
static int missing = 0;

void fake_limit(unsigned long long bits) { reasons = bits; }
void fake_break(int status) { broken = status; }
void fake_miss(int status) { missing = status; }

int nvmlInitWithFlags(unsigned flags) { return flags == 0 ? missing : 2; }

const char * nvmlErrorString(int status) { return status == 6 ? "Not Found" : "Another"; }

int nvmlSystemGetDriverVersion(char * version, unsigned length) {
    if (length < 12) {
        return 7;  /* NVML_ERROR_INSUFFICIENT_SIZE */
    }
    strcpy(version, "580.159.04");
    return 0;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char * bus, void ** device) {
    if (strcmp(bus, "0000:65:00.0") != 0) {
        return 6;  /* NVML_ERROR_NOT_FOUND */
    }
    *device = &reasons;
    return 0;
}

int nvmlDeviceGetClockInfo(void * device, int type, unsigned * mhz) {
    if (device != &reasons) {
        return 2;  /* NVML_ERROR_INVALID_ARGUMENT */
    }
    *mhz = type == 1 ? 1980 : 3201;
    return broken;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void * device, unsigned long long * bits) {
    if (device != &reasons) {
        return 2;
    }
    *bits = reasons;
    return 0;
}
