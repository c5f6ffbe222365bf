// Lines of "sm threads shared optin reserved registers static block dynamic" in, blocks resident on
// a multiprocessor out.

#include <iostream>

#include "core/occupancy.h"

int main() {
    shadow::Device device;
    shadow::KernelCode kernel;
    shadow::KernelLimits limits;
    int block = 0;
    while (std::cin >> device.sm >> device.max_threads_per_multiprocessor >>
           device.shared_per_multiprocessor >> device.shared_per_block_optin >>
           device.reserved_shared_per_block >> kernel.registers >> kernel.static_shared >> block >>
           limits.max_dynamic_shared) {
        device.multiprocessors = 1;
        std::cout << resident_blocks(device, kernel, limits, block, limits.max_dynamic_shared)
                  << "\n";
    }
}
