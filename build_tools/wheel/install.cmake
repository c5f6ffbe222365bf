# Included by the source's own project(): one install component that holds the wheel's libraries.
#
# The source's rules install each library twice, once into the source itself, and programs that no
# wheel of ours has. A component of its own leaves those rules alone and needs only what it names.
# A wheel holds no links, so each library is known by its plain name alone.
function(llamaproof_install_libraries)
  foreach(target IN LISTS LLAMAPROOF_LIBRARIES)
    if(NOT TARGET ${target})
      message(FATAL_ERROR "this source builds no library called ${target}")
    endif()
    set_property(TARGET ${target} PROPERTY VERSION)
    set_property(TARGET ${target} PROPERTY SOVERSION)
    set_property(TARGET ${target} PROPERTY INSTALL_RPATH "\$ORIGIN")
    set_property(TARGET ${target} PROPERTY INSTALL_RPATH_USE_LINK_PATH OFF)
    install(TARGETS ${target} COMPONENT llamaproof
            LIBRARY DESTINATION "${SKBUILD_PLATLIB_DIR}/llama_cpp/lib"
            ARCHIVE DESTINATION unused RUNTIME DESTINATION unused)
  endforeach()
endfunction()

# After the last line of the source's CMakeLists.txt, when its targets are there.
cmake_language(DEFER CALL llamaproof_install_libraries)
